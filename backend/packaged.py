"""Files that come with the program: beside it in the repository, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent


def page() -> Path:
    """Folder of the built page; it may not be there yet."""
    packed = _HERE / "page"
    return packed if packed.is_dir() else _HERE.parent / "frontend_static" / "dist"


def example() -> Path:
    """Folder of the description of the example's data centre."""
    packed = _HERE / "example"
    return packed if packed.is_dir() else _HERE.parent / "examples" / "datacenter"
