"""Authentication of pushes, and secrecy of the keys."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from backend.core.asgi import send_json
from backend.core.errors import UserError
from backend.ingest.keys import ConfiguredKeys, DeviceAuth, Networks, generate_key
from backend.settings import Settings


async def welcome(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, 200, b"{}")


async def ask(
    guard: DeviceAuth, peer: str | None, *headers: tuple[bytes, bytes]
) -> tuple[int, dict[bytes, bytes]]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError("the body of an unknown client is not read")

    scope = {
        "type": "http",
        "path": "/ingest",
        "client": (peer, 1234) if peer is not None else None,
        "headers": list(headers),
    }
    await guard(scope, receive, send)
    return messages[0]["status"], dict(messages[0]["headers"])


def bearer(key: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {key}".encode()


async def test_a_valid_key_is_accepted_from_any_network() -> None:
    key, entry = generate_key("pdu")
    other, _ = generate_key("other")
    guard = DeviceAuth(welcome, ConfiguredKeys.load(entry), Networks.none())
    assert (await ask(guard, "10.1.2.3", bearer(key)))[0] == 200
    assert (await ask(guard, "10.1.2.3", (b"authorization", f"bearer  {key} ".encode())))[0] == 200
    for wrong in (bearer(other), bearer(key[:-1]), bearer(""), (b"authorization", key.encode())):
        status, headers = await ask(guard, "127.0.0.1", wrong)
        assert status == 401
        assert headers[b"www-authenticate"] == b"Bearer"
        assert headers[b"connection"] == b"close"


async def test_without_keys_only_loopback_pushes() -> None:
    guard = DeviceAuth(welcome, ConfiguredKeys.load(""), Networks.loopback())
    for near in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert (await ask(guard, near))[0] == 200
    for far in ("10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "", "nonsense", None):
        assert (await ask(guard, far, bearer("")))[0] == 401


async def test_a_rejected_peer_is_logged_once_without_its_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    guard = DeviceAuth(welcome, ConfiguredKeys.load(generate_key("a")[1]), Networks.none())
    for _ in range(3):
        await ask(guard, "10.0.0.1", bearer("a-secret-of-somebody"))
    await ask(guard, "10.0.0.2")
    assert [r.getMessage() for r in caplog.records] == [
        "push rejected peer=10.0.0.1 path=/ingest; no valid device key",
        "push rejected peer=10.0.0.2 path=/ingest; no valid device key",
    ]


def test_keys_from_a_file_and_from_the_setting(tmp_path: Path) -> None:
    (one, first), (two, second), (three, third) = (generate_key(n) for n in "abc")
    file = tmp_path / "keys"
    file.write_text(f"# those of the meters\n{second}\n\n{third}  # a new one\n")
    keys = ConfiguredKeys.load(f" {first.upper().replace('A:', 'a:')} ,", str(file))
    assert [keys.owner(k.encode()) for k in (one, two, three, "x")] == ["a", "b", "c", None]
    assert len(keys) == 3


def test_an_invalid_key_entry_is_reported_by_its_place_and_not_shown(tmp_path: Path) -> None:
    key, entry = generate_key("a")
    for text, place in (
        (f"a:{key}", "entry 1"),
        (f"{entry},{entry}", "entry 2.*duplicate"),
        (entry[2:], "entry 1"),
    ):
        with pytest.raises(UserError, match=place) as error:
            ConfiguredKeys.load(text)
        assert key not in str(error.value)
        assert entry[2:] not in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        ConfiguredKeys.load("", str(tmp_path / "none"))
    with pytest.raises(UserError, match="SEDUCE_CARD_NETWORKS"):
        Networks.parse("10.0.0.0/99")
    with pytest.raises(UserError, match="name"):
        generate_key("a b")


def test_the_key_to_send_is_read_from_a_file_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    assert Settings(ingest_key_file=str(file)).key_for_ingest() == "s3cret"
    settings = Settings(ingest_key=SecretStr("other"))
    assert settings.key_for_ingest() == "other"
    assert "other" not in repr(settings)
    with pytest.raises(UserError, match="cannot be read"):
        Settings(ingest_key_file=str(tmp_path / "none")).key_for_ingest()
