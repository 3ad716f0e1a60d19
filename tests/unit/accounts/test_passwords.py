"""Password hashes (Argon2id) and password rules."""

from __future__ import annotations

import pytest

from backend.accounts.errors import InvalidInput
from backend.accounts.passwords import MAX_LENGTH, Passwords, check_password
from tests.support.accounts import OTHER_PASSWORD, PASSWORD


async def test_the_shipped_hash_is_argon2id_with_64_mib() -> None:
    passwords = Passwords()
    hashed = await passwords.hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.matches(PASSWORD, hashed)
    assert not await passwords.matches(OTHER_PASSWORD, hashed)
    assert not await passwords.matches(PASSWORD, None)
    assert not await passwords.matches(PASSWORD, "nonsense")
    assert not await passwords.matches("x" * 10_000, hashed)
    assert await passwords.hash(PASSWORD) != hashed


async def test_the_same_characters_in_another_encoding_are_the_same_password() -> None:
    passwords = Passwords()
    assert await passwords.matches("étude-in-c-minor", await passwords.hash("e\u0301tude-in-c-minor"))


@pytest.mark.parametrize(
    "password",
    [
        "Tr0ub4dor&3",
        "123456789012",
        "aaaaaaaaaaaaaaa",
        "qwertyuiop[]",
        "passwordpassword",
        "anna.lind@example.org",
        "x" * (MAX_LENGTH + 1),
        "",
    ],
)
def test_short_and_guessable_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_password(password, ["anna.lind@example.org", "anna.lind", "example.org", "Anna", "Lind"])


@pytest.mark.parametrize(
    "password",
    [PASSWORD, OTHER_PASSWORD, "correct horse battery staple", "ünïcödé wörds äre fine", "kX9$!qZ#r2Lw"],
)
def test_long_passwords_of_any_characters_are_accepted(password: str) -> None:
    check_password(password, ["anna@example.org"])
