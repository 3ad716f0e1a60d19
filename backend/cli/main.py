"""The `seduce` command: its list of commands, and the handling of errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, Parameter

from backend.cli.commands import data, demo, serving, setup, user

DESCRIPTION = "Power and temperature monitoring for labs and small data centres."
FAILURE, USAGE_ERROR, INTERRUPTED = 1, 2, 130
"""Exit codes: an error that the user can fix, a wrong option, and Ctrl-C."""

app = App(
    name="seduce",
    help=DESCRIPTION,
    version=lambda: version("seduce-dashboard"),
    help_formatter="plain",
    default_parameter=Parameter(negative=(), show_default=False),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
app.command(demo.demo)
app.command(serving.serve)
app.command(serving.web)
app.command(serving.ingest)
app.command(serving.temperature_registerer)
app.command(serving.rollups)
app.command(setup.check)
app.command(setup.config)
app.command(setup.reload)
app.command(setup.device_key)
app.command(user.app)
app.command(data.import_, name="import")
app.command(data.export)
app.command(data.backup)
app.command(data.restore)
app.command(data.upgrade)
app.register_install_completion_command(help="Install completion for the shell in use (bash, zsh or fish).")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Raises SystemExit with 2 for wrong options."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    check_usage(tokens)
    try:
        return int(app(tokens) or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        _print_error(error)
        return FAILURE


def check_usage(tokens: Sequence[str]) -> None:
    """Raise SystemExit with 2, and print the reason, if the tokens are no valid command line."""
    try:
        app.parse_args(tokens, exit_on_error=False, print_error=False)
        if not tokens or list(tokens) == ["user"]:
            raise SystemExit(_usage_error(tokens, "a command is required"))
    except CycloptsError as error:
        raise SystemExit(_usage_error(list(error.command_chain or ()), str(error))) from None


def _usage_error(command: Sequence[str], text: str) -> int:
    words = " ".join(["seduce", *command])
    print(f"{words}: error: {text}\nSee `{words} --help`.", file=sys.stderr)
    return USAGE_ERROR


def _print_error(error: Exception) -> None:
    """Print an error that the user can fix. Raises any other error again."""
    from pydantic import ValidationError

    from backend.core.errors import SeduceError

    if isinstance(error, ValidationError):
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"seduce: SEDUCE_{name}: {fault['msg']}, found {fault['input']!r}", file=sys.stderr)
    elif isinstance(error, SeduceError):
        print(f"seduce: {error}", file=sys.stderr)
    else:
        raise error


if __name__ == "__main__":
    sys.exit(main())
