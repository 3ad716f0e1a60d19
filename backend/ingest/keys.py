"""Who may push: by a device key, or by where the pusher is.

A device sends `Authorization: Bearer <key>`; the settings hold the SHA-256 of each key only. Keys are long and random, so that a
plain hash is enough, and no key is ever logged.
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

from backend.core.asgi import App, Receive, Scope, Send, send_json
from backend.core.errors import UserError

log = logging.getLogger(__name__)

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_FORM: Final = "name:hash, the hash as `seduce device-key NAME` prints it"
_BEARER: Final = b"bearer "
_PEERS_KEPT: Final = 1024

REFUSED: Final = b'{"status":"failure","reason":"a device key is needed: Authorization: Bearer <key>"}'


def new_key(name: str) -> tuple[str, str]:
    """A key for the device, and the line for the door's settings. Raises `UserError` for a name that cannot be."""
    if not _NAME.fullmatch(name):
        raise UserError("a device's name is 1 to 64 letters, digits, `_`, `.` or `-`")
    key = secrets.token_urlsafe(32)
    return key, f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


class Keys:
    """The keys of devices, as hashes by name."""

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = tuple(hashes.items())

    def __len__(self) -> int:
        return len(self._hashes)

    @classmethod
    def load(cls, text: str, file: str = "") -> Keys:
        """`text`: entries separated by commas; `file`: a path, an entry a line, `#` begins a comment.

        Raises `UserError` that tells where, and shows nothing of what could be a key.
        """
        entries = [("SEDUCE_DEVICE_KEYS", i, e) for i, e in enumerate(text.split(","), 1)]
        if file:
            try:
                lines = Path(file).read_text().splitlines()
            except (OSError, UnicodeDecodeError) as cause:
                raise UserError(f"SEDUCE_DEVICE_KEYS_FILE={file} cannot be read: {cause}") from cause
            entries += [(file, i, line.partition("#")[0]) for i, line in enumerate(lines, 1)]
        hashes: dict[str, bytes] = {}
        for where, number, entry in entries:
            if not entry.strip():
                continue
            name, _, digest = (part.strip() for part in entry.strip().partition(":"))
            if not _NAME.fullmatch(name) or not _HASH.fullmatch(digest.lower()):
                raise UserError(f"{where}, entry {number}: expected {_FORM}")
            if name in hashes:
                raise UserError(f"{where}, entry {number}: the name {name} is there twice")
            hashes[name] = bytes.fromhex(digest)
        return cls(hashes)

    def owner(self, key: bytes, peer: str = "") -> str | None:
        """Name of the device whose key it is. Takes equally long whichever it is, and if it is none."""
        digest = hashlib.sha256(key).digest()
        found = None
        for name, known in self._hashes:
            if hmac.compare_digest(digest, known):
                found = name
        return found


class Known(Protocol):
    """Keys that may come and go while the door is open."""

    def __len__(self) -> int: ...

    def owner(self, key: bytes, peer: str) -> str | None:
        """Name of the device whose key it is, where `peer` may use it."""
        ...


class KeyRing:
    """Keys from several places, as one."""

    def __init__(self, *places: Known) -> None:
        self._places = places

    def __len__(self) -> int:
        return sum(len(place) for place in self._places)

    def owner(self, key: bytes, peer: str) -> str | None:
        found = [place.owner(key, peer) for place in self._places]
        return next((name for name in found if name is not None), None)


@dataclass(frozen=True, slots=True)
class Networks:
    """Where pushers need no key."""

    networks: tuple[_Network, ...]

    @classmethod
    def none(cls) -> Networks:
        return cls(())

    @classmethod
    def loopback(cls) -> Networks:
        return cls.parse("127.0.0.0/8, ::1/128")

    @classmethod
    def parse(cls, text: str) -> Networks:
        """Prefixes separated by commas. Raises `UserError`."""
        try:
            return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as cause:
            raise UserError(f"SEDUCE_CARD_NETWORKS: {cause}; expected such as 10.0.0.0/8") from cause

    def __contains__(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.networks)


class Guard:
    """ASGI application: lets through to `app` who has a key or pushes from one of the networks; 401 to all others.

    `without_keys`: networks that are trusted as well for as long as there is no key at all.
    """

    def __init__(
        self, app: App, keys: Known, networks: Networks, without_keys: Networks | None = None
    ) -> None:
        self._app = app
        self._keys = keys
        self._networks = networks
        self._without_keys = without_keys or Networks.none()
        self._near: dict[str, tuple[bool, bool]] = {}
        self._refused: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = (scope.get("client") or ("",))[0]
        if self._is_near(peer) or self._has_key(scope, peer):
            await self._app(scope, receive, send)
            return
        if peer not in self._refused and len(self._refused) < _PEERS_KEPT:
            self._refused.add(peer)
            log.warning("pushes of %s to %s are refused: no valid device key", peer, scope["path"])
        # The body is not read: nobody unknown gets to send one.
        headers = [(b"www-authenticate", b"Bearer"), (b"connection", b"close")]
        await send_json(send, 401, REFUSED, headers)

    def _is_near(self, peer: str) -> bool:
        near = self._near.get(peer)
        if near is None:
            if len(self._near) >= _PEERS_KEPT:
                self._near.clear()
            near = self._near[peer] = (peer in self._networks, peer in self._without_keys)
        always, without_keys = near
        return always or (without_keys and not len(self._keys))

    def _has_key(self, scope: Scope, peer: str) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return value[:7].lower() == _BEARER and self._keys.owner(value[7:].strip(), peer) is not None
        return False
