"""The word check finds what the writing guide forbids, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_words import find, load_exemptions
from scripts.words.documents import read_grafana, read_html, read_markdown, read_sdl
from scripts.words.model import Finding, Rule
from scripts.words.python_source import read_python
from scripts.words.script_source import read_svelte

LONG = "word " * 31 + "end."


def findings(tmp_path: Path, name: str, text: str) -> list[tuple[int, Rule, str]]:
    (tmp_path / name).write_text(text)
    return [(f.line, f.rule, f.excerpt) for f in find([name], tmp_path)]


@pytest.mark.parametrize(
    "source",
    [
        '"""What this module does."""',
        'def read() -> None:\n    """How it reads."""',
        'class A:\n    """Whether it is open."""',
        'LIMIT = 3\n"""Where it ends."""',
        'class A:\n    x: int = 1\n    """Who set it."""',
        '@query("Which sensors there are.")\ndef sensors() -> None: ...',
        'field(description="When it began.")',
    ],
)
def test_a_docstring_that_starts_with_a_question_word(source: str, tmp_path: Path) -> None:
    assert [rule for _, rule, _ in findings(tmp_path, "a.py", source)] == [Rule.QUESTION]


@pytest.mark.parametrize(
    "source", ['"""Return what is new."""', 'text = "What is new"', '"""Whatever comes."""']
)
def test_other_strings_may_contain_question_words(source: str, tmp_path: Path) -> None:
    assert findings(tmp_path, "a.py", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "def told() -> None: ...",
        "def read(wanted: int) -> None: ...",
        "class Kept: ...",
        "self.x._said = 2",
        "for found in []: ...",
        "[found for found in []]",
    ],
)
def test_a_name_that_says_nothing(source: str, tmp_path: Path) -> None:
    assert [rule for _, rule, _ in findings(tmp_path, "a.py", source)] == [Rule.NAME]


def test_reading_a_name_is_no_definition(tmp_path: Path) -> None:
    assert findings(tmp_path, "a.py", "print(found, x.kept)") == []


def test_a_long_sentence_names_its_line(tmp_path: Path) -> None:
    [(line, rule, excerpt)] = findings(tmp_path, "a.md", f"# A\n\nShort one.\n{LONG}\n")
    assert (line, rule) == (4, Rule.LENGTH)
    assert excerpt.startswith("word word")


def test_code_tables_and_headings_are_no_sentences(tmp_path: Path) -> None:
    text = f"# {LONG}\n\n| {LONG} |\n\n```\n{LONG}\n```\n\n`{LONG}` is code.\n"
    assert findings(tmp_path, "a.md", text) == []


@pytest.mark.parametrize(
    "source",
    [
        f'raise ValueError("{LONG}")',
        f'raise UserError(f"{LONG}", path=("a",))',
        f'log.warning("{LONG}", 1)',
        f'self._log.error("Short. {LONG}")',
        f'raise UserError(message="{LONG}")',
    ],
)
def test_a_long_sentence_in_a_message(source: str, tmp_path: Path) -> None:
    assert [rule for _, rule, _ in findings(tmp_path, "a.py", source)] == [Rule.LENGTH]


@pytest.mark.parametrize(
    "source", [f'print("{LONG}")', f'log.info("rows=%s", "{LONG}")', "raise error", "raise"]
)
def test_other_strings_may_be_long(source: str, tmp_path: Path) -> None:
    assert findings(tmp_path, "a.py", source) == []


def test_an_expression_in_a_message_is_one_word() -> None:
    [text] = read_python('raise UserError(f"{a.b(1, 2)} is {c!r:.9}, not {d}")').sentences
    assert text.text == "x is x, not x"


def test_titles_and_descriptions_of_a_dashboard(tmp_path: Path) -> None:
    (tmp_path / "examples" / "grafana").mkdir(parents=True)
    text = '{\n "title": "What is slow",\n "description": "Seconds.",\n "name": "Why"\n}'
    assert [(t.line, t.text) for t in read_grafana(text).descriptions] == [
        (2, "What is slow"),
        (3, "Seconds."),
    ]
    assert findings(tmp_path, "examples/grafana/a.json", text) == [(2, Rule.QUESTION, "What is slow")]
    assert findings(tmp_path, "other.json", text) == []


def test_title_and_description_of_the_page() -> None:
    page = '<meta name="description" content="Where it goes." />\n<title>What</title>\n<p>How</p>'
    assert [(t.line, t.text) for t in read_html(page).descriptions] == [(1, "Where it goes."), (2, "What")]


def test_list_items_are_counted_apart() -> None:
    assert [t.line for t in read_markdown("- one\n- two\n  more\n\nthree").sentences] == [1, 2, 5]


def test_descriptions_of_a_schema() -> None:
    [text] = read_sdl('"""\nWhat it is.\n"""\ntype A { b: Int }').descriptions
    assert (text.line, text.text.strip()) == (1, "What it is.")


def test_the_markup_of_a_component(tmp_path: Path) -> None:
    source = f"""<!-- How it looks. -->
<script lang="ts">
  /** What it holds. */
  const {{ found, x: kept }} = $props();
  function told(seen: number) {{}}
</script>
<p title="{LONG}">{{value}} and {LONG}</p>
"""
    rules = [(line, rule) for line, rule, _ in findings(tmp_path, "a.svelte", source)]
    assert sorted(rules) == [
        (1, Rule.QUESTION),
        (3, Rule.QUESTION),
        (4, Rule.NAME),
        (4, Rule.NAME),
        (5, Rule.NAME),
        (5, Rule.NAME),
        (7, Rule.LENGTH),
        (7, Rule.LENGTH),
    ]


def test_expressions_are_no_words() -> None:
    [text] = read_svelte("<p>{#if a}{b({c})}{/if} is here</p>").sentences
    assert text.text.split()[-2:] == ["is", "here"]


def test_an_exception_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    entry = '[[exception]]\npath = "a.py"\nrule = "name"\nexcerpt = "found"\n'
    path.write_text(entry)
    with pytest.raises(ValueError, match=r"a\.py has no reason"):
        load_exemptions(path)
    path.write_text(entry + 'reason = "part of a protocol"\n')
    [exemption] = load_exemptions(path)
    assert exemption.covers(Finding("a.py", 7, Rule.NAME, "found", ""))
    assert not exemption.covers(Finding("b.py", 7, Rule.NAME, "found", ""))


def test_the_exceptions_are_few() -> None:
    assert len(load_exemptions()) < 20


def test_syntax_of_python_is_required() -> None:
    with pytest.raises(SyntaxError):
        read_python("def")
