"""Progress of commands, on the standard error."""

from __future__ import annotations

import sys
from typing import Final, Never

from tqdm import tqdm

BAR: Final = "{desc}  {bar:30} {percentage:3.0f} %  {elapsed}{postfix}"


def progress_bar(text: str, total: int | None, is_quiet: bool) -> tqdm[Never]:
    """Return a progress bar; on a standard error that is no terminal it writes a line every five seconds."""
    interval_s = 0.2 if sys.stderr.isatty() else 5.0
    return tqdm(
        total=total, desc=text, bar_format=BAR, file=sys.stderr, disable=is_quiet, mininterval=interval_s
    )


def say(text: str) -> None:
    """Print a line on the standard error, above a progress bar."""
    tqdm.write(text, file=sys.stderr)
