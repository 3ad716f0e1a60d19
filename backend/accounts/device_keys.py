"""A copy of the database's device keys in memory. Ingest endpoints check a key about a thousand times a second."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import Mapping
from typing import Final, TypeAlias

from backend.accounts.model import DeviceKey
from backend.accounts.repository import AccountStore
from backend.accounts.rules import USE_RESOLUTION_NS
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage

log = logging.getLogger(__name__)

REFRESH_INTERVAL_S: Final = 2.0
"""Seconds between two reads of the database. A new or a deleted key takes effect after at most this time."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class DeviceKeyCache:
    """The keys as of the last successful read. Implements the protocol of `backend/ingest/keys.py`.

    While the database is unreachable, the last keys stay valid.
    """

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: Mapping[str, tuple[DeviceKey, _Network | None]] = {}
        self._used_ids: set[str] = set()
        self._is_loaded = False

    def __len__(self) -> int:
        """Return the number of keys, and 1 before the first read: an endpoint must not conclude that there are no keys."""
        return len(self._keys) if self._is_loaded else 1

    def owner(self, key: bytes, peer: str) -> str | None:
        """Return the name of the device with this key, or None. The look-up is by hash, so its timing reveals nothing useful."""
        entry = self._keys.get(hashlib.sha256(key).hexdigest())
        if entry is None or not _is_in(peer, entry[1]):
            return None
        self._used_ids.add(entry[0].id)
        return entry[0].name

    async def run(self) -> None:
        """Refresh the keys until cancelled."""
        outage = Outage(log, "device_keys", level=logging.WARNING)
        while True:
            try:
                await self.refresh()
            except TransientError as error:
                outage.failed(error)
            else:
                outage.recovered()
            await asyncio.sleep(REFRESH_INTERVAL_S)

    async def refresh(self) -> None:
        """Read all keys from the database, and record there which keys were used since the last read."""
        now = self._clock.now_ns()
        async with self._store.begin() as repo:
            keys_by_hash = await repo.keys.by_hash()
            for key in keys_by_hash.values():
                if key.id in self._used_ids and (
                    key.used_ns is None or now - key.used_ns >= USE_RESOLUTION_NS
                ):
                    await repo.keys.record_use(key.id, now)
        self._used_ids.clear()
        self._is_loaded = True
        self._keys = {secret_hash: (key, _network(key)) for secret_hash, key in keys_by_hash.items()}


def _network(key: DeviceKey) -> _Network | None:
    return ipaddress.ip_network(key.network) if key.network else None


def _is_in(peer: str, network: _Network | None) -> bool:
    if network is None:
        return True
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address) in network
