"""Authentication of devices that push: by a device key, or by the network they are in.

A device sends `Authorization: Bearer <key>`. The settings hold only the SHA-256 of each key. Keys are long and random, so a plain
hash is enough. No key is ever logged.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from cachetools import LRUCache

from backend.core.asgi import App, Receive, Scope, Send, send_json
from backend.core.errors import UserError

log = logging.getLogger(__name__)

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ENTRY_FORMAT: Final = "name:hash, with the hash that `seduce device-key NAME` prints"
_BEARER: Final = b"bearer "
_MAX_CACHED_PEERS: Final = 1024

UNAUTHORIZED_BODY: Final = (
    b'{"status":"failure","reason":"a device key is needed: Authorization: Bearer <key>"}'
)


def generate_key(name: str) -> tuple[str, str]:
    """Return a new key for a device, and its entry for the settings. Raises `UserError` for an invalid name."""
    if not _NAME.fullmatch(name):
        raise UserError("a device's name is 1 to 64 letters, digits, `_`, `.` or `-`")
    key = secrets.token_urlsafe(32)
    return key, f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


class DeviceKeys(Protocol):
    """A set of device keys, which may change at any time."""

    def __len__(self) -> int: ...

    def owner(self, key: bytes, peer: str) -> str | None:
        """Return the name of the device that has the key, if `peer` (an IP address) may use it."""
        ...


class ConfiguredKeys:
    """The device keys of the settings, as SHA-256 hashes by the device's name."""

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = tuple(hashes.items())

    def __len__(self) -> int:
        return len(self._hashes)

    @classmethod
    def load(cls, text: str, file: str = "") -> ConfiguredKeys:
        """Parse `text`, entries separated by commas, and the file at the path `file`: one entry per line, `#` starts a comment.

        Raises `UserError` with the place of the fault. Its text shows nothing that could be a key.
        """
        entries = [("SEDUCE_DEVICE_KEYS", i, e) for i, e in enumerate(text.split(","), 1)]
        if file:
            try:
                lines = Path(file).read_text().splitlines()
            except (OSError, UnicodeDecodeError) as cause:
                raise UserError(f"SEDUCE_DEVICE_KEYS_FILE={file} cannot be read: {cause}") from cause
            entries += [(file, i, line.partition("#")[0]) for i, line in enumerate(lines, 1)]
        hashes: dict[str, bytes] = {}
        for source, number, entry in entries:
            if not entry.strip():
                continue
            name, _, digest = (part.strip() for part in entry.strip().partition(":"))
            if not _NAME.fullmatch(name) or not _HASH.fullmatch(digest.lower()):
                raise UserError(f"{source}, entry {number}: expected {_ENTRY_FORMAT}")
            if name in hashes:
                raise UserError(f"{source}, entry {number}: duplicate name {name}")
            hashes[name] = bytes.fromhex(digest)
        return cls(hashes)

    def owner(self, key: bytes, peer: str = "") -> str | None:
        """Return the name of the device that has the key. Takes equally long for every key, valid or not."""
        digest = hashlib.sha256(key).digest()
        owner = None
        for name, valid_digest in self._hashes:
            if hmac.compare_digest(digest, valid_digest):
                owner = name
        return owner


class CombinedKeys:
    """Several sets of device keys as one."""

    def __init__(self, *sources: DeviceKeys) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def owner(self, key: bytes, peer: str) -> str | None:
        owners = [source.owner(key, peer) for source in self._sources]
        return next((name for name in owners if name is not None), None)


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of IP networks."""

    networks: tuple[_Network, ...]

    @classmethod
    def none(cls) -> Networks:
        return cls(())

    @classmethod
    def loopback(cls) -> Networks:
        return cls.parse("127.0.0.0/8, ::1/128")

    @classmethod
    def parse(cls, text: str) -> Networks:
        """Parse prefixes separated by commas, such as `10.0.0.0/8`. Raises `UserError`."""
        try:
            return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as cause:
            raise UserError(f"SEDUCE_CARD_NETWORKS: {cause}; expected such as 10.0.0.0/8") from cause

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self.networks)


class DeviceAuth:
    """ASGI middleware that passes requests with a valid key or from a trusted network to `app`, and answers 401 to others.

    `networks` are always trusted, `networks_without_keys` only as long as there is no key at all.
    """

    def __init__(
        self,
        app: App,
        keys: DeviceKeys,
        networks: Networks,
        networks_without_keys: Networks | None = None,
    ) -> None:
        self._app = app
        self._keys = keys
        self._networks = networks
        self._networks_without_keys = networks_without_keys or Networks.none()
        self._trust: LRUCache[str, tuple[bool, bool]] = LRUCache(_MAX_CACHED_PEERS)
        """Peer -> whether it is in `networks`, and in `networks_without_keys`."""
        self._rejected_peers: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = (scope.get("client") or ("",))[0]
        if self._is_trusted(peer) or self._has_key(scope, peer):
            await self._app(scope, receive, send)
            return
        if peer not in self._rejected_peers and len(self._rejected_peers) < _MAX_CACHED_PEERS:
            self._rejected_peers.add(peer)
            log.warning("push rejected peer=%s path=%s; no valid device key", peer, scope["path"])
        # The body is not read, so that an unknown client cannot make the server receive it.
        headers = [(b"www-authenticate", b"Bearer"), (b"connection", b"close")]
        await send_json(send, 401, UNAUTHORIZED_BODY, headers)

    def _is_trusted(self, peer: str) -> bool:
        trust = self._trust.get(peer)
        if trust is None:
            trust = self._trust[peer] = (peer in self._networks, peer in self._networks_without_keys)
        is_always_trusted, is_trusted_without_keys = trust
        return is_always_trusted or (is_trusted_without_keys and not len(self._keys))

    def _has_key(self, scope: Scope, peer: str) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return value[:7].lower() == _BEARER and self._keys.owner(value[7:].strip(), peer) is not None
        return False
