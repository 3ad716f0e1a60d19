"""Write docs/man/seduce.1 from the command line itself, so that `man seduce` and `--help` agree."""

from __future__ import annotations

from pathlib import Path

from backend.cli.main import DESCRIPTION
from scripts.command_tree import Command, commands

PAGE = Path(__file__).resolve().parents[1] / "docs" / "man" / "seduce.1"

_HEAD = f"""\
.TH SEDUCE "1" "" "seduce" "SeDuCe dashboard"
.SH NAME
seduce \\- power and temperature monitoring for labs and small data centres
.SH SYNOPSIS
.B seduce
.I COMMAND
[options]
.SH DESCRIPTION
{DESCRIPTION}
.SH COMMANDS
"""
_TAIL = """\
.SH EXIT STATUS
.TP
.B 0
Success.
.TP
.B 1
An error that you can fix; the standard error states the reason.
.TP
.B 2
A wrong option.
.SH ENVIRONMENT
Settings are environment variables, or lines of the file that SEDUCE_SETTINGS_FILE names: docs/settings.md.
.SH FILES
.B seduce \\-\\-install\\-completion
installs completion for bash, zsh or fish.
"""


def page() -> str:
    """Return the page in roff."""
    return _HEAD + "".join(_section(command) for command in commands()) + _TAIL


def _section(command: Command) -> str:
    lines = [f'.SS "{_escape(command.name)}"', _escape(command.help)]
    for option in command.options:
        lines += [".TP", rf"\fB{_escape(option.usage)}\fR", _escape(option.help)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return text in which roff reads no character as a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
