"""The way to an SNMP agent by pysnmp: v1 and v2c by its light architecture, v3 by its full engine."""

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
from crawlers.snmp_plan import Answer, Bulk, Count, Oid, Request, Value

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
    """Lets go by what cannot be read: the library would raise into the event loop, which prints a traceback a packet."""

    def _callback_function(self, *packet: Any) -> None:
        try:
            super()._callback_function(*packet)
        except Exception as error:
            log.debug("a packet that cannot be read: %s: %s", type(error).__name__, error)


class _LightDispatcher(light.SnmpDispatcher):  # type: ignore[misc]
    PROTO_DISPATCHER = _Dispatcher


class Link(Protocol):
    """An open way to one agent."""

    async def ask(self, request: Request) -> Answer:
        """Raises `TransientError` where no answer came, or none that could be believed."""
        ...

    def close(self) -> None: ...


async def connect(source: SnmpSource, try_s: float) -> Link:
    """Open the way the source's version wants; `try_s` is how long to wait for an answer before the one retry."""
    try:
        if source.version == "3":
            target = await full.UdpTransportTarget.create((source.ip, source.port), timeout=try_s, retries=1)
            return _FullLink(target, source.user or SnmpUser(""))
        target = await light.UdpTransportTarget.create((source.ip, source.port), timeout=try_s, retries=1)
        return _LightLink(target, source.community, 0 if source.version == "1" else 1)
    except PySnmpError as error:
        raise TransientError(f"{source.ip}: {error}") from error


class _LightLink:
    def __init__(self, target: Any, community: str, model: int) -> None:
        self._dispatcher = _LightDispatcher()
        self._target = target
        self._community = light.CommunityData(community, mpModel=model)

    async def ask(self, request: Request) -> Answer:
        to = self._dispatcher, self._community, self._target
        try:
            if isinstance(request, Bulk):
                said = await light.bulk_cmd(*to, 0, request.count, (request.after, None), lookupMib=False)
            else:
                said = await light.get_cmd(*to, *((oid, None) for oid in request.oids), lookupMib=False)
        except (PySnmpError, OSError) as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        return _answer(request, *said)

    def close(self) -> None:
        # SnmpDispatcher.close() of pysnmp 7.1 calls back with an argument too few.
        self._dispatcher.transport_dispatcher.close_dispatcher()


class _FullLink:
    """Every agent has an engine of its own, which costs 70 ms once, so that closing one leaves the others alone."""

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

    async def ask(self, request: Request) -> Answer:
        to = self._engine, self._user, self._target, self._context
        try:
            if isinstance(request, Bulk):
                said = await full.bulk_cmd(*to, 0, request.count, _variable(request.after), lookupMib=False)
            else:
                said = await full.get_cmd(*to, *map(_variable, request.oids), lookupMib=False)
        except (PySnmpError, OSError) as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        return _answer(request, *said)

    def close(self) -> None:
        self._engine.close_dispatcher()


def _variable(oid: Oid) -> Any:
    return full.ObjectType(full.ObjectIdentity(oid))


def _answer(request: Request, trouble: Any, status: Any, index: Any, variables: Sequence[Any]) -> Answer:
    if trouble:
        raise TransientError(str(trouble))
    ended = bool(variables) and isinstance(variables[-1][1], rfc1905.EndOfMibView)
    read = [(tuple(oid), decode(value)) for oid, value in variables]
    return Answer(int(status), int(index), read[:-1] if ended and isinstance(request, Bulk) else read, ended)


def decode(value: Any) -> Value:
    """A value of the pysnmp kind: INTEGER, Gauge, Counter, TimeTicks, or a STRING that spells a number."""
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
        return Count(number, bits)
    return float(number)
