"""Read the commands of `seduce` and of the crawlers as data, for the pages that are generated from them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from cyclopts import App

from backend.cli.main import app
from backend.settings import Settings
from crawlers.cli import parser as crawler_parser


@dataclass(frozen=True, slots=True)
class Option:
    """One option or argument. `usage` is its spelling with its value, such as `--data DIR`."""

    usage: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its full name, its help text, and its options."""

    name: str
    help: str
    options: tuple[Option, ...]


def commands() -> Iterator[Command]:
    """Yield all commands of `seduce`, and of the groups below it, in alphabetical order."""
    yield from _below(app, "seduce")


def _below(group: App, prefix: str) -> Iterator[Command]:
    for name in sorted(n for n in group if not n.startswith("-")):
        command = group[name]
        yield Command(f"{prefix} {name}", _help_of(command), tuple(_options_of(command)))
        yield from _below(command, f"{prefix} {name}")


def _help_of(command: App) -> str:
    return " ".join(command.help.split())


def _options_of(command: App) -> Iterator[Option]:
    if command.default_command is None:
        return
    for argument in command.assemble_argument_collection(default_parameter=app.default_parameter):
        names = argument.names
        choices = argument.get_choices()
        text = argument.parameter.help or ""
        if choices:
            text = f"{text.removesuffix('.')}: {', '.join(choices)}."
        is_positional = not names[0].startswith("-")
        is_flag = argument.hint is bool
        placeholder = argument.parameter.metavar or names[0].lstrip("-").upper()
        value = "" if is_positional or is_flag else f" {placeholder}"
        yield Option(f"{', '.join(names)}{value}", text)


def crawler_command() -> Command:
    """Return the command line of the crawlers."""
    parser = crawler_parser("python -m crawlers.snmp", Settings.model_construct())
    options = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    text = "Read devices and push their values; also `crawlers.modbus`, `crawlers.sensors`, and `crawlers` for all."
    return Command(parser.prog, text, tuple(Option(_usage_of(a), a.help or "") for a in options))


def _usage_of(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if not action.option_strings:
        return metavar or action.dest
    value = "" if action.nargs == 0 else f" {metavar or action.dest.upper()}"
    return f"{action.option_strings[-1]}{value}"
