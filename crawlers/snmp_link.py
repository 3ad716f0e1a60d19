"""Requests to an SNMP agent with pysnmp: v1 and v2c with its light architecture, v3 with its full engine."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v1arch import asyncio as light
from pysnmp.hlapi.v3arch import asyncio as full
from pysnmp.proto import rfc1902, rfc1905

from backend.core.errors import TransientError
from backend.inventory.model import SnmpSource, SnmpUser
from crawlers.snmp_plan import Answer, Bulk, CounterValue, Oid, Request, Value

log = logging.getLogger(__name__)

_AUTH: Final = {
    "md5": full.USM_AUTH_HMAC96_MD5,
    "sha": full.USM_AUTH_HMAC96_SHA,
    "sha224": full.USM_AUTH_HMAC128_SHA224,
    "sha256": full.USM_AUTH_HMAC192_SHA256,
    "sha384": full.USM_AUTH_HMAC256_SHA384,
    "sha512": full.USM_AUTH_HMAC384_SHA512,
}
_PRIV: Final = {
    "des": full.USM_PRIV_CBC56_DES,
    "3des": full.USM_PRIV_CBC168_3DES,
    "aes": full.USM_PRIV_CFB128_AES,
    "aes192": full.USM_PRIV_CFB192_AES,
    "aes256": full.USM_PRIV_CFB256_AES,
}


_COUNTER_BITS: Final = {rfc1902.Counter32.tagSet: 32, rfc1902.Counter64.tagSet: 64}


class _Dispatcher(AsyncioDispatcher):  # type: ignore[misc]
    """Drops packets that cannot be decoded. The library would raise in the event loop, which prints a traceback."""

    def _callback_function(self, *packet: Any) -> None:
        try:
            super()._callback_function(*packet)
        except Exception as error:
            log.debug("packet not decoded: %s: %s", type(error).__name__, error)


class _LightDispatcher(light.SnmpDispatcher):  # type: ignore[misc]
    PROTO_DISPATCHER = _Dispatcher


class Link(Protocol):
    """A connection to one agent."""

    async def request(self, request: Request) -> Answer:
        """Send a request and return the answer. Raises `TransientError` if there is no valid answer."""
        ...

    def close(self) -> None: ...


async def connect(source: SnmpSource, timeout_s: float) -> Link:
    """Return a link for the SNMP version of the source. After `timeout_s` without an answer a request is sent once more."""
    try:
        if source.version == "3":
            target = await full.UdpTransportTarget.create(
                (source.ip, source.port), timeout=timeout_s, retries=1
            )
            return _FullLink(target, source.user or SnmpUser(""))
        target = await light.UdpTransportTarget.create((source.ip, source.port), timeout=timeout_s, retries=1)
        return _LightLink(target, source.community, 0 if source.version == "1" else 1)
    except PySnmpError as error:
        raise TransientError(f"{source.ip}: {error}") from error


class _LightLink:
    def __init__(self, target: Any, community: str, model: int) -> None:
        self._dispatcher = _LightDispatcher()
        self._target = target
        self._community = light.CommunityData(community, mpModel=model)

    async def request(self, request: Request) -> Answer:
        destination = self._dispatcher, self._community, self._target
        try:
            if isinstance(request, Bulk):
                answer = await light.bulk_cmd(
                    *destination, 0, request.count, (request.after, None), lookupMib=False
                )
            else:
                answer = await light.get_cmd(
                    *destination, *((oid, None) for oid in request.oids), lookupMib=False
                )
        except (PySnmpError, OSError) as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        return _parse_answer(request, *answer)

    def close(self) -> None:
        # SnmpDispatcher.close() of pysnmp 7.1 raises, because it calls a callback with too few arguments.
        self._dispatcher.transport_dispatcher.close_dispatcher()


class _FullLink:
    """A link with an engine of its own, so that closing one does not affect the others. An engine takes 70 ms to create."""

    def __init__(self, target: Any, user: SnmpUser) -> None:
        self._engine = full.SnmpEngine()
        self._engine.register_transport_dispatcher(_Dispatcher())
        self._target = target
        self._context = full.ContextData(contextName=user.context)
        self._user = full.UsmUserData(
            user.name,
            authKey=user.auth_key,
            privKey=user.priv_key,
            authProtocol=_AUTH[user.auth_protocol] if user.auth_key else full.USM_AUTH_NONE,
            privProtocol=_PRIV[user.priv_protocol] if user.priv_key else full.USM_PRIV_NONE,
        )

    async def request(self, request: Request) -> Answer:
        destination = self._engine, self._user, self._target, self._context
        try:
            if isinstance(request, Bulk):
                answer = await full.bulk_cmd(
                    *destination, 0, request.count, _variable(request.after), lookupMib=False
                )
            else:
                answer = await full.get_cmd(*destination, *map(_variable, request.oids), lookupMib=False)
        except (PySnmpError, OSError) as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        return _parse_answer(request, *answer)

    def close(self) -> None:
        self._engine.close_dispatcher()


def _variable(oid: Oid) -> Any:
    return full.ObjectType(full.ObjectIdentity(oid))


def _parse_answer(
    request: Request, failure: Any, status: Any, index: Any, variables: Sequence[Any]
) -> Answer:
    if failure:
        raise TransientError(str(failure))
    is_end = bool(variables) and isinstance(variables[-1][1], rfc1905.EndOfMibView)
    values = [(tuple(oid), decode(value)) for oid, value in variables]
    return Answer(
        int(status), int(index), values[:-1] if is_end and isinstance(request, Bulk) else values, is_end
    )


def decode(value: Any) -> Value:
    """Return the number of an INTEGER, Gauge, Counter, TimeTicks or numeric STRING, or the reason why there is none."""
    if isinstance(value, univ.OctetString):
        text = bytes(value).decode("utf-8", "replace").strip().strip('"')
        try:
            number = float(text)
        except ValueError:
            return f"not a number: {text[:40]!r}"
        return number if math.isfinite(number) else f"not a number: {text[:40]!r}"
    if isinstance(value, rfc1905.NoSuchInstance | rfc1905.NoSuchObject | rfc1905.EndOfMibView):
        return "no such instance"
    try:
        number = int(value)
    except (TypeError, ValueError, PyAsn1Error):
        return f"not a number: {type(value).__name__}"
    if bits := _COUNTER_BITS.get(value.tagSet):
        return CounterValue(number, bits)
    return float(number)
