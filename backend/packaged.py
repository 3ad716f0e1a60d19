"""Files that are shipped with the program: inside it in a wheel, next to it in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def page() -> Path:
    """Return the folder of the built page, which may not exist yet."""
    folder = _PACKAGE / "page"
    return folder if folder.is_dir() else _PACKAGE.parent / "frontend_static" / "dist"


def example() -> Path:
    """Return the folder of the example site description."""
    folder = _PACKAGE / "example"
    return folder if folder.is_dir() else _PACKAGE.parent / "examples" / "datacenter"
