"""Write docs/man/seduce.1 from the command's own parser, so that `man seduce` says what `--help` says."""

from __future__ import annotations

import os
from pathlib import Path

from argparse_manpage.manpage import Manpage

from backend.cli.main import _parser

PAGE = Path(__file__).resolve().parents[1] / "docs" / "man" / "seduce.1"


def page() -> str:
    os.environ["COLUMNS"] = "100"  # help is broken into lines by the width of the terminal
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # no date: the page changes only when the command does
    parser = _parser()
    parser.man_short_description = "where the watts and the degrees of a data centre go"  # type: ignore[attr-defined]
    parser.epilog = "Settings are environment variables, or lines of the file that SEDUCE_SETTINGS_FILE names: docs/settings.md."
    page = Manpage(parser)
    page.date, page.source, page.manual = "", "seduce", "SeDuCe dashboard"
    return str(page) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
