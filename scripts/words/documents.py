"""Reads Markdown, GraphQL, YAML, HTML and Grafana documents for the word check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scripts.words.model import Content, Text

_FENCE: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_INLINE_CODE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ITEM: Final = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
_SDL_DESCRIPTION: Final = re.compile(r'"""(.*?)"""', re.DOTALL)
_YAML_DESCRIPTION: Final = re.compile(
    r"^\s*(?:- )?(?:description|summary|title): *[>|]?-? *(.*)$", re.MULTILINE
)
_HTML_TEXT: Final = re.compile(r'(?:<title>|<meta name="description" content=")([^<"]*)')
_JSON_TEXT: Final = re.compile(r'"(?:title|description)": "([^"]*)"')


def read_markdown(source: str) -> Content:
    """Return the prose: paragraphs and list items. Code, tables and headings are left out."""
    text = _FENCE.sub(_blank, source)
    return Content(sentences=tuple(_paragraphs(text)))


def read_sdl(source: str) -> Content:
    """Return the descriptions of a GraphQL schema."""
    texts = tuple(
        Text(source.count("\n", 0, match.start()) + 1, match.group(1))
        for match in _SDL_DESCRIPTION.finditer(source)
    )
    return Content(descriptions=texts, sentences=texts)


def read_yaml(source: str) -> Content:
    """Return the descriptions, summaries and titles that begin on the line of their key."""
    texts = tuple(
        Text(source.count("\n", 0, match.start()) + 1, match.group(1).strip("'\" "))
        for match in _YAML_DESCRIPTION.finditer(source)
    )
    return Content(descriptions=texts, sentences=texts)


def read_html(source: str) -> Content:
    """Return the title and the description of a page."""
    return Content(descriptions=_matches(_HTML_TEXT, source))


def read_grafana(source: str) -> Content:
    """Return the titles and descriptions of a dashboard."""
    texts = _matches(_JSON_TEXT, source)
    return Content(descriptions=texts, sentences=texts)


def _matches(pattern: re.Pattern[str], source: str) -> tuple[Text, ...]:
    return tuple(
        Text(source.count("\n", 0, match.start()) + 1, match.group(1)) for match in pattern.finditer(source)
    )


def _paragraphs(text: str) -> Iterator[Text]:
    start, lines = 0, list[str]()

    def paragraph() -> Iterator[Text]:
        if lines:
            prose = _LINK.sub(r"\1", _INLINE_CODE.sub("code", "\n".join(lines)))
            yield Text(start, prose)
            lines.clear()

    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("#", "|", "<", ">")):
            yield from paragraph()
            continue
        if _ITEM.match(line):
            yield from paragraph()
        if not lines:
            start = number
        lines.append(_ITEM.sub("", line))
    yield from paragraph()


def _blank(match: re.Match[str]) -> str:
    """Return as many empty lines as the match has, so that line numbers stay."""
    return "\n" * match.group().count("\n")
