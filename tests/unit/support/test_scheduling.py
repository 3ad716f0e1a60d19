"""Files that wait long start first, and page tests share a demo."""

from __future__ import annotations

import pytest

from tests.support.scheduling import group_of, ordered


def test_the_order_of_files() -> None:
    files = [
        ("tests/unit/store/test_a.py", False),
        ("tests/test_docs.py", False),
        ("tests/contract/test_store.py", True),
        ("tests/e2e/test_guides.py", False),
        ("tests/e2e/test_pages_admin.py", False),
        ("tests/e2e/test_services.py", True),
    ]
    assert [path.rpartition("/")[2] for path in ordered(files)] == [
        "test_services.py",
        "test_pages_admin.py",
        "test_guides.py",
        "test_store.py",
        "test_docs.py",
        "test_a.py",
    ]


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("tests/e2e/test_pages_admin.py", "pages"),
        ("tests/e2e/test_summer_time.py", "pages"),
        ("tests/e2e/test_pages.py", "tests/e2e/test_pages.py"),
        ("tests/unit/store/test_a.py", "tests/unit/store/test_a.py"),
    ],
)
def test_groups(path: str, group: str) -> None:
    assert group_of(path) == group
