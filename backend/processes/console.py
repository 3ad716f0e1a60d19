"""What commands say while they work: on the standard error, beside the progress bar."""

from __future__ import annotations

import sys
from typing import Final, Never

from tqdm import tqdm

BAR: Final = "{desc}  {bar:30} {percentage:3.0f} %  {elapsed}{postfix}"


def bar_of(text: str, total: int | None, quiet: bool) -> tqdm[Never]:
    """A progress bar; where nobody watches it, a line now and then."""
    every = 0.2 if sys.stderr.isatty() else 5.0
    return tqdm(total=total, desc=text, bar_format=BAR, file=sys.stderr, disable=quiet, mininterval=every)


def say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
