"""The progress of imports, stored so that they resume after a restart.

A position is stored after the store holds everything before it. The last reading of the last batch is stored too: it
shows whether the store is still the same.
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
    """One file: where reading resumes, the counts so far, and the reading that the store must hold if this is true."""

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


class ImportProgress:
    """Progress of all files, in one JSON file. `key` identifies an imported file (see `read.file_identity`)."""

    def __init__(self, path: Path) -> None:
        """Load the file. Raise `PermanentError` if it is damaged."""
        self._path = path
        self._progress: dict[str, Progress] = {}
        try:
            for key, fields in json.loads(path.read_text()).items():
                self._progress[key] = Progress(**fields)
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError, AttributeError) as cause:
            raise PermanentError(
                f"{path} is damaged: remove it, then imports start from the beginning"
            ) from cause

    def get(self, key: str) -> Progress:
        return self._progress.get(key, Progress())

    def save(self, key: str, progress: Progress) -> None:
        """Store the progress of a file, durably when it returns."""
        self._progress[key] = progress
        temporary = self._path.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump({k: asdict(p) for k, p in self._progress.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
