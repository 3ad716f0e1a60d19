"""The `seduce` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    run = {"check": _check}[args.command]
    return run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seduce", description="Where the watts and the degrees of a data centre go.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="read a description and print all its faults, or a summary")
    check.add_argument("folder", type=Path, metavar="DIR", help="the folder of the YAML files")
    return parser


def _check(args: argparse.Namespace) -> int:
    from backend.inventory.check import check

    code, text = check(args.folder)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
