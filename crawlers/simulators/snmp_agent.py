"""SNMP v1 and v2c agents on loopback: GET, GETNEXT and GETBULK over a table of OIDs.

Requests are decoded by pysnmp. Answers are written as BER here: pyasn1 would spend 50 us on every variable, and the
simulator must leave the processor to what is simulated for.
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

from crawlers.simulators.fault_schedule import Says, at_once

log = logging.getLogger(__name__)

Oid: TypeAlias = tuple[int, ...]
Table: TypeAlias = Mapping[Oid, int | str]
"""What an agent answers: a number as Gauge32 (INTEGER where negative) or as what its class says, a text as STRING."""


class Counter32(int):
    """Counts up, and from 0 again at 2**32 and at every start of the agent."""


class TimeTicks(int):
    """Hundredths of a second."""


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
    """One agent. `table` is asked for at every request, so values may change; its OIDs may not."""

    def __init__(
        self,
        table: Callable[[], Table],
        community: str = "public",
        most: int = 64,
        refuse: bool = False,
        says: Says = at_once,
    ) -> None:
        """`most` variables go into one answer: a GETBULK is cut there, a larger GET answers tooBig. `refuse`: a
        GETBULK that asks for more answers tooBig as well, as some agents do. `says`: what becomes of an answer."""
        self._table = table
        self._community = community.encode()
        self._most = most
        self._refuse = refuse
        self._says = says
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
        said = None if answer is None else self._says(answer)
        if said is None or self._transport is None:
            return
        wait_s, packet = said
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send, packet, addr)
        else:
            self._send(packet, addr)

    def _send(self, packet: bytes, addr: tuple[str | Any, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)

    def answer(self, data: bytes) -> bytes | None:
        """The bytes of the response; None where an agent stays silent, as for a wrong community."""
        version = int(verdec.decode_message_version(data))
        module = api.PROTOCOL_MODULES[version]
        message, _ = decoder.decode(data, asn1Spec=module.Message())
        if bytes(module.apiMessage.get_community(message)) != self._community:
            return None
        self.requests += 1
        pdu = module.apiMessage.get_pdu(message)
        number = int(module.apiPDU.get_request_id(pdu))
        bulk = version == 1 and pdu.tagSet == module.GetBulkRequestPDU.tagSet
        asked = [tuple(oid) for oid, _ in module.apiPDU.get_varbinds(pdu)]
        if bulk:
            repeat = int(module.apiBulkPDU.get_max_repetitions(pdu))
            single = int(module.apiBulkPDU.get_non_repeaters(pdu))
            status, index, body = self._bulk(asked, single, repeat)
        else:
            following = pdu.tagSet == module.GetNextRequestPDU.tagSet
            status, index, body = self._get(asked, following, v1=version == 0)
        response = integer(number) + integer(status) + integer(index) + tlv(0x30, b"".join(body))
        return tlv(0x30, integer(version) + tlv(0x04, self._community) + tlv(0xA2, response))

    def _get(self, asked: Sequence[Oid], following: bool, v1: bool) -> tuple[int, int, list[bytes]]:
        empty = [tlv(0x30, oid_bytes(oid) + NULL) for oid in asked]
        if len(asked) > self._most:
            return TOO_BIG, 0, [] if not v1 else empty
        table = self._table()
        body: list[bytes] = []
        for place, oid in enumerate(asked):
            found = self._after(oid) if following else (oid if oid in table else None)
            if found is not None:
                body.append(self._variable(found, table))
            elif v1:
                return NO_SUCH_NAME, place + 1, empty
            else:
                body.append(tlv(0x30, oid_bytes(oid) + (END_OF_MIB_VIEW if following else NO_SUCH_INSTANCE)))
        return 0, 0, body

    def _bulk(self, asked: Sequence[Oid], single: int, repeat: int) -> tuple[int, int, list[bytes]]:
        wanted = min(single, len(asked)) + repeat * max(0, len(asked) - single)
        if wanted > self._most and self._refuse:
            return TOO_BIG, 0, []
        table = self._table()
        body: list[bytes] = []
        for oid in asked[:single]:
            body.append(self._successor(oid, table)[1])
        repeaters = list(asked[single:])
        for _ in range(repeat if repeaters else 0):
            for i, oid in enumerate(repeaters):
                if len(body) == self._most:
                    return 0, 0, body
                repeaters[i], variable = self._successor(oid, table)
                body.append(variable)
        return 0, 0, body

    def _successor(self, oid: Oid, table: Table) -> tuple[Oid, bytes]:
        found = self._after(oid)
        if found is None:
            return oid, tlv(0x30, oid_bytes(oid) + END_OF_MIB_VIEW)
        return found, self._variable(found, table)

    def _after(self, oid: Oid) -> Oid | None:
        place = bisect.bisect_right(self._oids, oid)
        return self._oids[place] if place < len(self._oids) else None

    def _variable(self, oid: Oid, table: Table) -> bytes:
        return tlv(0x30, self._encoded[oid] + value_bytes(table[oid]))


async def serve(agent: SnmpAgent, ip: str, port: int) -> asyncio.DatagramTransport:
    """Listen; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: agent, local_addr=(ip, port))
    return transport
