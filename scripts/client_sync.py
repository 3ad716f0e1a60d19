"""Generates the blocking client from the asynchronous one: `python -m scripts.client_sync`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import unasync

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "client/src/seduce_client/_async/client.py"
TARGET: Final = ROOT / "client/src/seduce_client/_sync/client.py"
HEADER: Final = "# Generated from ../_async/client.py by `make client`; do not edit.\n\n"

RULE_REPLACEMENTS: Final = {
    "AsyncClient": "Client",
    "AsyncGenerator": "AsyncGenerator",  # live readings are asynchronous in both clients
    "aclose": "close",
    "asyncio": "time",
}


def generate() -> str:
    """Return the source of the blocking client."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "_async" / "client.py"
        source.parent.mkdir()
        source.write_text(SOURCE.read_text())
        rule = unasync.Rule("/_async/", "/_sync/", additional_replacements=RULE_REPLACEMENTS)
        unasync.unasync_files([str(source)], [rule])
        text = (Path(folder) / "_sync" / "client.py").read_text()
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"],
        input=HEADER + text,
        capture_output=True,
        text=True,
        check=True,
    )
    return formatted.stdout


if __name__ == "__main__":
    TARGET.write_text(generate())
