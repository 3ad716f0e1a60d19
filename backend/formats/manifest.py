"""The manifest of a backup: `manifest.json` names every file with its size and SHA-256, and is written last."""

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
    """A backup. `made` is ISO 8601; `store` is `duckdb` or `influxdb`; `revision` is that of the database schema."""

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
        """Read the manifest of a folder. Raise `UserError` if it is missing or not readable."""
        try:
            content = json.loads((folder / NAME).read_text())
            if content["format"] != FORMAT:
                raise UserError(
                    f"{folder} has the backup format {content['format']}, but this version reads {FORMAT}: "
                    "install the version that created it"
                )
            return cls(**content)
        except FileNotFoundError:
            raise UserError(f"{folder} is not a complete backup: it has no {NAME}") from None
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise UserError(f"{folder / NAME} cannot be read: {cause}") from cause


def list_files(folder: Path) -> dict[str, dict[str, str | int]]:
    """Return all files of the folder with their sizes and checksums."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield every file that is missing, not in the manifest, or changed."""
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {NAME}
    for name in sorted(present - manifest.files.keys()):
        yield f"{name}: not in the manifest"
    for name, expected in sorted(manifest.files.items()):
        path = folder / name
        if name not in present:
            yield f"{name}: missing"
        elif path.stat().st_size != expected["bytes"]:
            yield f"{name}: {path.stat().st_size} bytes, expected {expected['bytes']}"
        elif sha256(path) != expected["sha256"]:
            yield f"{name}: the content differs from the backup (SHA-256)"
