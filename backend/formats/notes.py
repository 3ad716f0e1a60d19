"""How far each file was imported, kept over a restart.

The notes follow the store: what they say is behind us is there. A witness, the last reading of the last batch, tells whether it
still is the same store.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.core.errors import PermanentError
from backend.formats.batch import Mark


@dataclass(frozen=True, slots=True)
class Progress:
    """One file: where it goes on, what was counted so far, and the reading that must be in the store if this is true."""

    position: int = 0
    line: int = 0
    readings: int = 0
    wrong: int = 0
    skipped: int = 0
    done: bool = False
    sensor: str = ""
    time_ns: int = 0

    @property
    def mark(self) -> Mark:
        return Mark(self.position, self.line)


class Notes:
    """The file that they are kept in; `key` tells imported files apart (see `read.identity`)."""

    def __init__(self, path: Path) -> None:
        """Raises `PermanentError` for notes that cannot be read."""
        self._path = path
        self._kept: dict[str, Progress] = {}
        try:
            for key, said in json.loads(path.read_text()).items():
                self._kept[key] = Progress(**said)
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError, AttributeError) as cause:
            raise PermanentError(f"{path} is damaged: remove it, and imports begin anew") from cause

    def of(self, key: str) -> Progress:
        return self._kept.get(key, Progress())

    def keep(self, key: str, progress: Progress) -> None:
        """Durable when it returns."""
        self._kept[key] = progress
        beside = self._path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump({k: asdict(p) for k, p in self._kept.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
