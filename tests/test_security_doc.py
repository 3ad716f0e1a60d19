"""docs/security.md goes through all of the list, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (\d\.\d+\.\d+) \| (.+?) \| (.+) \|$", TEXT, flags=re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT)))

ASVS = {
    **{
        f"2.{section}": range(1, last + 1)
        for section, last in (
            (1, 12),
            (2, 3),
            (3, 3),
            (4, 5),
            (5, 7),
            (6, 3),
            (7, 6),
            (8, 7),
            (9, 3),
            (10, 4),
        )
    },
    "3.1": range(1, 2),
    "3.2": range(1, 5),
    "3.3": range(1, 5),
    "3.4": range(1, 6),
    "3.5": range(1, 4),
    "3.7": range(1, 2),
    "4.1": (1, 2, 3, 5),
    "4.2": range(1, 3),
    "4.3": range(1, 4),
}
"""The points of levels 1 and 2 of ASVS 4.0.3."""


def test_every_point_of_the_list_is_there_once() -> None:
    numbers_of_asvs = [f"{section}.{number}" for section, numbers in ASVS.items() for number in numbers]
    assert sorted(point for point, _, _ in ROWS) == sorted(numbers_of_asvs)


@pytest.mark.parametrize("point, requirement, answer", ROWS, ids=[row[0] for row in ROWS])
def test_a_point_names_a_test_or_says_why_not(point: str, requirement: str, answer: str) -> None:
    reasons = (
        "does not apply",
        "not met",
        "partly",
        "there is none",
        "there are none",
        "`__Host-` requires",
        "no mail reminds",
    )
    assert "::" in answer or any(reason in answer for reason in reasons), f"{point} {requirement}"


@pytest.mark.parametrize("file, name", NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    [path] = (ROOT / "tests").rglob(file)
    tree = ast.parse(path.read_text())
    names = {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert name in names
