"""The documents say what is so: settings, commands, links and queries are held against the code."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from backend.cli import main as cli
from backend.settings import Settings
from crawlers.cli import parser as crawler_parser
from scripts import commands_doc, settings_doc
from scripts.metrics_doc import families

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]


def test_settings_page_is_written_from_the_code() -> None:
    assert settings_doc.PAGE.read_text() == settings_doc.page(), "run python -m scripts.settings_doc"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        linked = page.parent / target if target else page
        assert linked.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors_of(linked), (
                f"{page.name} links to {target}#{anchor}, which has no such heading"
            )


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_named_in_the_text_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_in_the_text_are_commands(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every `seduce …` of a shell block is one that the parser takes, and every `python -m crawlers.…` too."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"\|\|?|&&|;", re.sub(r"\s#.*", "", line)):
                is_one(shlex.split(command.replace("...", "x")), line, capsys)


def is_one(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    while words and "=" in words[0]:
        words = words[1:]
    name = Path(words[0]).name if words else ""
    try:
        if name == "seduce":
            cli.check_usage(words[1:])
        elif name.startswith("python") and words[1:2] == ["-m"] and words[2:3] and "crawlers" in words[2]:
            crawler_parser("crawlers", Settings.model_construct()).parse_args(words[3:])
    except SystemExit as ended:
        assert not ended.code, f"{line}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_in_the_text_compiles(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        compile(block, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_page_of_commands_is_written_from_the_code() -> None:
    # In a process of its own: it looks at the environment.
    code = "from scripts.commands_doc import page; print(page(), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert commands_doc.PAGE.read_text() == done.stdout, "run python -m scripts.commands_doc"


def test_every_page_can_be_found() -> None:
    """From README or the map of the documentation, by links."""
    reached, waiting = set(), [ROOT / "README.md", ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / t).resolve() for t in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())]
    decisions = {p for p in PAGES if p.parent.name == "decisions"}
    assert not [str(p.relative_to(ROOT)) for p in set(PAGES) - reached - decisions]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_metrics_and_settings_named_in_the_text_exist(page: Path) -> None:
    text = page.read_text()
    known = {f.name for f in families()} | {
        f"{f.name}_{end}" for f in families() for end in ("bucket", "sum", "count")
    }
    named = set(re.findall(r"\bseduce_(?!client|dashboard)[a-z0-9_]+[a-z0-9]", text))
    assert {n for n in named if n not in known and not any(k.startswith(n) for k in known)} == set()
    for name in set(re.findall(r"\bSEDUCE_([A-Z0-9_]+[A-Z0-9])\b", text)):
        is_setting = name.lower() in Settings.model_fields or name.startswith(("TEST_", "E2E_"))
        is_prefix = any(f.startswith(name.lower()) for f in Settings.model_fields)
        assert is_setting or is_prefix or name in ("TOKEN", "SETTINGS_FILE", "URL", "NAME"), f"SEDUCE_{name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_queries_in_the_text_are_valid(page: Path) -> None:
    queries = re.findall(r"```graphql\n(.*?)```", page.read_text(), flags=re.DOTALL)
    if not queries:
        return
    schema = build_schema((ROOT / "schema.graphql").read_text())
    for query in queries:
        assert not validate(schema, parse(query)), query


@pytest.mark.parametrize(
    "term",
    [
        *("watermark", "horizon", "dirty window", "healing", "coverage", "spool", "ingest endpoint", "drain"),
        *("site description", "roll-up", "continuous query", "node", "leaf", "outlet", "feed", "label"),
    ],
)
def test_the_glossary_defines_the_term(term: str) -> None:
    rows = re.findall(
        r"^\| (.+?) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), flags=re.MULTILINE
    )
    assert dict(rows)[term]


def test_the_glossary_defines_each_term_once_in_alphabetical_order() -> None:
    terms = re.findall(r"^\| (.+?) \| ", (ROOT / "docs" / "glossary.md").read_text(), flags=re.MULTILINE)[1:]
    assert terms == sorted(set(terms), key=str.lower)


def test_every_outage_that_the_code_logs_is_documented() -> None:
    sources = [p for folder in ("backend", "crawlers", "workers") for p in (ROOT / folder).rglob("*.py")]
    logged = {n for p in sources for n in re.findall(r'Outages?\(\s*log, "(\w+)"', p.read_text())}
    documented = re.findall(
        r"^\| `(\w+)` \|", (ROOT / "docs" / "how-to" / "watch-it.md").read_text(), flags=re.MULTILINE
    )
    assert logged <= set(documented)


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert {p.name for p in folder.glob("[0-9]*.md")} <= listed
