"""Simulated SNMP v1 and v2c agents: GET, GETNEXT and GETBULK over a table of OIDs.

pysnmp decodes the requests. The answers are encoded as BER here, because pyasn1 needs 50 us per variable and the simulator must
leave the processor to the programs under test.
"""

from __future__ import annotations

import asyncio
import bisect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from pyasn1.codec.ber import decoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto import api
from pysnmp.proto.api import verdec
from pysnmp.proto.error import ProtocolError

from crawlers.simulators.fault_schedule import PacketFilter, send_unchanged

log = logging.getLogger(__name__)

Oid: TypeAlias = tuple[int, ...]
Table: TypeAlias = Mapping[Oid, int | str]
"""The values of an agent. A number is a Gauge32 (INTEGER if negative) or the type of its class, a text is a STRING."""


class Counter32(int):
    """A counter, which restarts at 0 after 2**32 - 1 and after every start of the agent."""


class TimeTicks(int):
    """A time in hundredths of a second."""


NO_SUCH_NAME: Final = 2
TOO_BIG: Final = 1
NO_SUCH_INSTANCE: Final = b"\x81\x00"
END_OF_MIB_VIEW: Final = b"\x82\x00"
NULL: Final = b"\x05\x00"


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(number: int, tag: int = 0x02) -> bytes:
    return tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def oid_bytes(oid: Oid) -> bytes:
    out = bytearray((oid[0] * 40 + oid[1],))
    for part in oid[2:]:
        groups = [part & 0x7F]
        while part := part >> 7:
            groups.append(part & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return tlv(0x06, bytes(out))


def value_bytes(value: int | str) -> bytes:
    if isinstance(value, str):
        return tlv(0x04, value.encode())
    tag = {Counter32: 0x41, TimeTicks: 0x43}.get(type(value), 0x42)
    return integer(value, tag) if value >= 0 else integer(value)


class SnmpAgent(asyncio.DatagramProtocol):
    """One agent. It calls `table` for every request. Values may change between calls, the OIDs may not."""

    def __init__(
        self,
        table: Callable[[], Table],
        community: str = "public",
        max_variables: int = 64,
        refuses_large_bulk: bool = False,
        filter_packet: PacketFilter = send_unchanged,
    ) -> None:
        """An answer has at most `max_variables`: a larger GETBULK is truncated and a larger GET is answered tooBig.

        With `refuses_large_bulk` a larger GETBULK is answered tooBig, too, as by some real agents. `filter_packet` applies
        faults to the answers.
        """
        self._table = table
        self._community = community.encode()
        self.max_variables = max_variables
        self._refuses_large_bulk = refuses_large_bulk
        self._filter_packet = filter_packet
        self._oids = sorted(table())
        self._encoded = {oid: oid_bytes(oid) for oid in self._oids}
        self._transport: asyncio.DatagramTransport | None = None
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        try:
            answer = self.answer(data)
        except (PyAsn1Error, ProtocolError, IndexError, KeyError) as error:
            log.debug("not an SNMP request: %s", error)
            return
        delayed = None if answer is None else self._filter_packet(answer)
        if delayed is None or self._transport is None:
            return
        delay_s, packet = delayed
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, packet, addr)
        else:
            self._send(packet, addr)

    def _send(self, packet: bytes, addr: tuple[str | Any, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)

    def answer(self, data: bytes) -> bytes | None:
        """Return the bytes of the response, or None for no response, as for a wrong community."""
        version = int(verdec.decode_message_version(data))
        module = api.PROTOCOL_MODULES[version]
        message, _ = decoder.decode(data, asn1Spec=module.Message())
        if bytes(module.apiMessage.get_community(message)) != self._community:
            return None
        self.requests += 1
        pdu = module.apiMessage.get_pdu(message)
        request_id = int(module.apiPDU.get_request_id(pdu))
        is_bulk = version == 1 and pdu.tagSet == module.GetBulkRequestPDU.tagSet
        oids = [tuple(oid) for oid, _ in module.apiPDU.get_varbinds(pdu)]
        if is_bulk:
            repeat = int(module.apiBulkPDU.get_max_repetitions(pdu))
            single = int(module.apiBulkPDU.get_non_repeaters(pdu))
            status, index, body = self._bulk(oids, single, repeat)
        else:
            is_next = pdu.tagSet == module.GetNextRequestPDU.tagSet
            status, index, body = self._get(oids, is_next, v1=version == 0)
        response = integer(request_id) + integer(status) + integer(index) + tlv(0x30, b"".join(body))
        return tlv(0x30, integer(version) + tlv(0x04, self._community) + tlv(0xA2, response))

    def _get(self, oids: Sequence[Oid], is_next: bool, v1: bool) -> tuple[int, int, list[bytes]]:
        empty = [tlv(0x30, oid_bytes(oid) + NULL) for oid in oids]
        if len(oids) > self.max_variables:
            return TOO_BIG, 0, [] if not v1 else empty
        table = self._table()
        body: list[bytes] = []
        for place, oid in enumerate(oids):
            answered = self._after(oid) if is_next else (oid if oid in table else None)
            if answered is not None:
                body.append(self._variable(answered, table))
            elif v1:
                return NO_SUCH_NAME, place + 1, empty
            else:
                body.append(tlv(0x30, oid_bytes(oid) + (END_OF_MIB_VIEW if is_next else NO_SUCH_INSTANCE)))
        return 0, 0, body

    def _bulk(self, oids: Sequence[Oid], single: int, repeat: int) -> tuple[int, int, list[bytes]]:
        requested = min(single, len(oids)) + repeat * max(0, len(oids) - single)
        if requested > self.max_variables and self._refuses_large_bulk:
            return TOO_BIG, 0, []
        table = self._table()
        body: list[bytes] = []
        for oid in oids[:single]:
            body.append(self._successor(oid, table)[1])
        repeaters = list(oids[single:])
        for _ in range(repeat if repeaters else 0):
            for i, oid in enumerate(repeaters):
                if len(body) == self.max_variables:
                    return 0, 0, body
                repeaters[i], variable = self._successor(oid, table)
                body.append(variable)
        return 0, 0, body

    def _successor(self, oid: Oid, table: Table) -> tuple[Oid, bytes]:
        successor = self._after(oid)
        if successor is None:
            return oid, tlv(0x30, oid_bytes(oid) + END_OF_MIB_VIEW)
        return successor, self._variable(successor, table)

    def _after(self, oid: Oid) -> Oid | None:
        place = bisect.bisect_right(self._oids, oid)
        return self._oids[place] if place < len(self._oids) else None

    def _variable(self, oid: Oid, table: Table) -> bytes:
        return tlv(0x30, self._encoded[oid] + value_bytes(table[oid]))


async def serve(agent: SnmpAgent, ip: str, port: int) -> asyncio.DatagramTransport:
    """Start an agent and return its transport. Port 0 stands for a free one."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: agent, local_addr=(ip, port))
    return transport
