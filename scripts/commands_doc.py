"""Write docs/commands.md from the command's own parser, so that the page cannot lie."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from backend.cli.main import _parser
from backend.settings import Settings
from crawlers.cli import parser as crawler_parser

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
HEAD = """# Commands

`seduce COMMAND --help` says the same; [a man page](man/seduce.1) too. [Settings](settings.md) come from the environment and from
the file that `SEDUCE_SETTINGS_FILE` names. Commands end with 0, with 1 for what you can mend and were told, with 2 for a wrong
option.
This page is written from the code by `python -m scripts.commands_doc`.
"""


def _commands(
    parser: argparse.ArgumentParser, prefix: str
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, line of help and parser of each command, with those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield f"{prefix} {name}", helps.get(name, ""), below
                yield from _commands(below, f"{prefix} {name}")


def _part(name: str, text: str, parser: argparse.ArgumentParser) -> str:
    options = [
        a for a in parser._actions if not isinstance(a, argparse._HelpAction | argparse._SubParsersAction)
    ]
    rows = "".join(f"| `{_called(a)}` | {(a.help or '').replace('|', chr(92) + '|')} |\n" for a in options)
    return f"\n## `{name}`\n\n{text[:1].upper()}{text[1:]}.\n" + (
        f"\n| | |\n|---|---|\n{rows}" if rows else ""
    )


def _called(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if not action.option_strings:
        return metavar or action.dest
    value = "" if action.nargs == 0 else f" {metavar or action.dest.upper()}"
    return f"{action.option_strings[-1]}{value}"


def page() -> str:
    os.environ["COLUMNS"] = "100"
    parts = [_part(name, text, parser) for name, text, parser in _commands(_parser(), "seduce")]
    crawler = crawler_parser("python -m crawlers.snmp", Settings.model_construct())
    text = (
        "read devices and push what they say; also `crawlers.modbus`, `crawlers.sensors`, `crawlers` for all"
    )
    return HEAD + "".join(parts) + _part("python -m crawlers.snmp", text, crawler)


if __name__ == "__main__":
    PAGE.write_text(page())
