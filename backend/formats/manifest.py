"""What a backup holds: `manifest.json` names every file with its size and SHA-256, and is written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from backend.core.errors import UserError

NAME: Final = "manifest.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup. `made` is ISO 8601; `store` is `duckdb` or `influxdb`; `revision` that of the database's tables."""

    made: str
    program: str
    store: str
    revision: str
    files: dict[str, dict[str, str | int]]
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises `UserError` where there is none that can be understood."""
        try:
            found = json.loads((folder / NAME).read_text())
            if found["format"] != FORMAT:
                raise UserError(
                    f"{folder} is a backup of format {found['format']}, and this version reads {FORMAT}: "
                    "install the version that made it"
                )
            return cls(**found)
        except FileNotFoundError:
            raise UserError(f"{folder} is no whole backup: it has no {NAME}") from None
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise UserError(f"{folder / NAME} cannot be read: {cause}") from cause


def listed(folder: Path) -> dict[str, dict[str, str | int]]:
    """All files of the folder with their sizes and sums."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """All that is missing, left over or changed."""
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {NAME}
    for name in sorted(there - manifest.files.keys()):
        yield f"{name}: the manifest does not name it"
    for name, said in sorted(manifest.files.items()):
        path = folder / name
        if name not in there:
            yield f"{name}: missing"
        elif path.stat().st_size != said["bytes"]:
            yield f"{name}: {path.stat().st_size} bytes, and the manifest says {said['bytes']}"
        elif sha256(path) != said["sha256"]:
            yield f"{name}: its content is not what was backed up (SHA-256 differs)"
