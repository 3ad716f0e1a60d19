"""How far a long read is."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from seduce_client.errors import NotInstalled

Progress: TypeAlias = bool | Callable[[int, int], None] | None
"""True and False force a bar or none; None shows one where there are several pieces and tqdm is installed; a function is
called with how many pieces are read and how many there are."""


@contextmanager
def told(progress: Progress, total: int) -> Iterator[Callable[[], None]]:
    """Yields what to call after each piece. Raises `NotInstalled` where a bar is demanded without tqdm."""
    if callable(progress):
        done = 0

        def tell() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        yield tell
        return
    if progress is True and importlib.util.find_spec("tqdm") is None:
        raise NotInstalled("progress", "tqdm is not installed", "pip install 'seduce-client[progress]'")
    if progress is False or total < 2 or importlib.util.find_spec("tqdm") is None:
        yield lambda: None
        return
    # Without widgets, the variant for notebooks complains and falls back by itself.
    widgets = importlib.util.find_spec("ipywidgets") is not None
    tqdm = importlib.import_module("tqdm.auto" if widgets else "tqdm").tqdm
    with tqdm(total=total, desc="Reading", unit="piece") as bar:
        yield bar.update
