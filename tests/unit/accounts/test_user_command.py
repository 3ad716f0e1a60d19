"""The command `seduce user …`."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from backend.cli.main import main
from tests.support.accounts import OTHER_PASSWORD, PASSWORD


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEDUCE_DATA_DIR", str(tmp_path))


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return str(file)


def user(*words: str) -> int:
    return main(["user", *words])


def test_users_from_their_creation_to_their_deletion(
    password_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert user("add", "admin@example.org", "--admin", "--password-file", password_file) == 0
    assert user("add", "user@example.org", "--name", "U", "--generate") == 0
    match = re.search(r"shown only once: (\S+)", capsys.readouterr().out)
    assert match
    assert len(match[1]) >= 20
    assert user("list") == 0
    assert (
        capsys.readouterr().out
        == "admin@example.org\tauthorized administrator\nuser@example.org\tauthorized\n"
    )
    for verb, output in (
        ("deauthorize", "unauthorized"),
        ("authorize", "authorized"),
        ("promote", "authorized administrator"),
        ("demote", "authorized"),
    ):
        assert user(verb, "user@example.org") == 0
        assert capsys.readouterr().out == f"user@example.org\t{output}\n"
    assert user("list", "--state", "unauthorized") == 0
    assert capsys.readouterr().out == ""
    assert user("password", "user@example.org", "--password-file", password_file) == 0
    assert user("delete", "user@example.org") == 0
    assert "deleted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["promote", "nobody@example.org"], "no user with the address"),
        (["demote", "admin@example.org"], "only administrator"),
        (["delete", "admin@example.org"], "only administrator"),
        (["deauthorize", "admin@example.org"], "only administrator"),
        (["add", "admin@example.org", "--generate"], "already"),
        (["add", "nonsense", "--generate"], "not a valid e-mail address"),
        (["add", "x@example.org", "--password-file", "/nowhere"], "cannot be read"),
        (["add", "x@example.org"], "--password-file"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, password_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert user("add", "admin@example.org", "--admin", "--password-file", password_file) == 0
    capsys.readouterr()
    assert user(*words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_password_from_the_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OTHER_PASSWORD}\n"))
    assert user("add", "x@example.org", "--password-file", "-") == 0
    assert OTHER_PASSWORD not in capsys.readouterr().out


def test_no_password_is_taken_on_the_command_line() -> None:
    """Every user of the machine could read it there."""
    with pytest.raises(SystemExit):
        user("add", "x@example.org", "--password", PASSWORD)
