"""Device keys of the database, held in memory for the doors, which are asked a thousand times a second."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import Mapping
from typing import Final, TypeAlias

from backend.accounts.model import DeviceKey
from backend.accounts.repository import AccountStore
from backend.accounts.rules import TOUCH_NS
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""Seconds between two looks into the database: so late a new or a deleted key may be known."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class KnownKeys:
    """What `backend/ingest/keys.py` calls `Known`. While the database is away, the keys are those that were there last."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: Mapping[str, tuple[DeviceKey, _Network | None]] = {}
        self._used: set[str] = set()
        self._looked = False

    def __len__(self) -> int:
        """1 until it is known: a door that does not know its keys must not think that there are none."""
        return len(self._keys) if self._looked else 1

    def owner(self, key: bytes, peer: str) -> str | None:
        """By hash: what a comparison's time could tell is of no use to anybody."""
        found = self._keys.get(hashlib.sha256(key).hexdigest())
        if found is None or not _is_in(peer, found[1]):
            return None
        self._used.add(found[0].id)
        return found[0].name

    async def run(self) -> None:
        outage = Outage(log, "device_keys", level=logging.WARNING)
        while True:
            try:
                await self.look()
            except TransientError as error:
                outage.failed(error)
            else:
                outage.recovered()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Takes what is in the database, and notes there which were used."""
        now = self._clock.now_ns()
        async with self._store.begin() as within:
            hashes = await within.keys.hashes()
            for key in hashes.values():
                if key.id in self._used and (key.used_ns is None or now - key.used_ns >= TOUCH_NS):
                    await within.keys.used(key.id, now)
        self._used.clear()
        self._looked = True
        self._keys = {hashed: (key, _network(key)) for hashed, key in hashes.items()}


def _network(key: DeviceKey) -> _Network | None:
    return ipaddress.ip_network(key.network) if key.network else None


def _is_in(peer: str, network: _Network | None) -> bool:
    if network is None:
        return True
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found) in network
