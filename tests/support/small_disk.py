"""A disk that is really full: a small file system of the test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, megabytes: int = 16) -> Iterator[Path]:
    """Mounted at `at`. Where mounting is not allowed the test is skipped with the reason; in CI that is a failure."""
    at.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(at)]
    try:
        tried = subprocess.run(mount, capture_output=True, text=True)
        refused = tried.stderr.strip() if tried.returncode else ""
    except FileNotFoundError as error:
        refused = str(error)
    if refused:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no right to mount a small disk: {refused}")
    try:
        yield at
    finally:
        # Lazily: a thread that is just ending may still have a file of it open.
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(disk: Path, name: str = "of-another") -> Path:
    """Take all the room there is, as somebody else's log does. Delete the file to give it back."""
    taken = disk / name
    with taken.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    assert os.statvfs(disk).f_bavail == 0
    return taken
