"""The progress of a long read."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from seduce_client.errors import NotInstalled

Progress: TypeAlias = bool | Callable[[int, int], None] | None
"""True shows a progress bar, False shows none. None shows one if there are several pieces and tqdm is installed. A function is
called with the number of pieces that are read and their total."""


@contextmanager
def report_progress(progress: Progress, total: int) -> Iterator[Callable[[], object]]:
    """Yield a function to call after each piece. Raises `NotInstalled` if a bar is requested without tqdm."""
    if callable(progress):
        count = 0

        def advance() -> None:
            nonlocal count
            count += 1
            progress(count, total)

        yield advance
        return
    if progress is True and importlib.util.find_spec("tqdm") is None:
        raise NotInstalled("progress", "tqdm is not installed", "pip install 'seduce-client[progress]'")
    if progress is False or total < 2 or importlib.util.find_spec("tqdm") is None:
        yield lambda: None
        return
    # Without ipywidgets, the notebook variant of tqdm prints a warning and falls back.
    has_widgets = importlib.util.find_spec("ipywidgets") is not None
    tqdm = importlib.import_module("tqdm.auto" if has_widgets else "tqdm").tqdm
    with tqdm(total=total, desc="Reading", unit="piece") as bar:
        yield bar.update
