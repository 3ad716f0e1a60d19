"""The documents say what is so: settings, commands, links and queries are held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from scripts import settings_doc

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]


def test_settings_page_is_written_from_the_code() -> None:
    assert settings_doc.PAGE.read_text() == settings_doc.page(), "run python -m scripts.settings_doc"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith(("http://127.0.0.1", "https://", "http://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_named_in_the_text_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_queries_in_the_text_are_valid(page: Path) -> None:
    queries = re.findall(r"```graphql\n(.*?)```", page.read_text(), flags=re.DOTALL)
    if not queries:
        return
    schema = build_schema((ROOT / "schema.graphql").read_text())
    for query in queries:
        assert not validate(schema, parse(query)), query
