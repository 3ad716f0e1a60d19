"""The small site description that the tests change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.small_description import SMALL


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).write_text(text)
    return tmp_path
