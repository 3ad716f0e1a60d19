"""A small file system for tests of full disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, megabytes: int = 16) -> Iterator[Path]:
    """Mount a small file system at `at`. If that is not allowed, the test is skipped with the reason; in CI it fails."""
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
        # Lazily, because a thread that is ending may still have a file open.
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(disk: Path, name: str = "of-another") -> Path:
    """Fill the disk with one file and return its path. Delete the file to free the space."""
    filler = disk / name
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    assert os.statvfs(disk).f_bavail == 0
    return filler
