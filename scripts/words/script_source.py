"""Reads TypeScript and Svelte for the word check: comments that document, names, and the text of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scripts.words.model import Content, Name, Text

_JSDOC: Final = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)
_STAR: Final = re.compile(r"^\s*\*\s?", re.MULTILINE)
_NAME: Final = re.compile(r"\b(?:const|let|var|function|class|interface|type)\s+([A-Za-z_$][\w$]*)")
_DESTRUCTURED: Final = re.compile(r"\b(?:const|let|var)\s+\{([^}=]*)\}")
_PARAMETERS: Final = re.compile(r"(?<=[(,])\s*([A-Za-z_$][\w$]*)\??\s*:\s")
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_EXPRESSION: Final = re.compile(r"\{[^{}]*\}")
_TAG: Final = re.compile(r"</?(?:b|i|em|strong|code|a|span)\b[^<>]*>")
_BETWEEN_TAGS: Final = re.compile(r">([^<>]+)<")
_ATTRIBUTE: Final = re.compile(r"\b(?:aria-label|title|placeholder|label|note|hint|text)=\"([^\"{}]+)\"")


def read_script(source: str) -> Content:
    """Return documenting comments and names of TypeScript source."""
    return Content(descriptions=tuple(_comments(source)), names=tuple(_names(source)))


def read_svelte(source: str) -> Content:
    """Return documenting comments and names of the script, and the text and labels of the markup."""
    descriptions = (*_comments(source), *_html_comments(source))
    return Content(descriptions, tuple(_markup_text(source)), tuple(_names(source)))


def _comments(source: str) -> Iterator[Text]:
    for match in _JSDOC.finditer(source):
        yield Text(_line(source, match.start()), _STAR.sub("", match.group(1)).strip())


def _html_comments(source: str) -> Iterator[Text]:
    for match in _COMMENT.finditer(source):
        text = match.group()[4:-3].strip().removeprefix("@component").strip()
        yield Text(_line(source, match.start()), text)


def _names(source: str) -> Iterator[Name]:
    for match in (*_NAME.finditer(source), *_PARAMETERS.finditer(source)):
        yield Name(_line(source, match.start(1)), match.group(1))
    for match in _DESTRUCTURED.finditer(source):
        for part in match.group(1).split(","):
            name = part.rpartition(":")[2].strip()
            if name.isidentifier():
                yield Name(_line(source, match.start()), name)


def _markup_text(source: str) -> Iterator[Text]:
    markup = source
    for pattern in (_SCRIPT, _COMMENT):
        markup = pattern.sub(_blank, markup)
    while True:  # expressions nest
        shorter = _EXPRESSION.sub(_placeholder, markup)
        if shorter == markup:
            break
        markup = shorter
    for match in _ATTRIBUTE.finditer(markup):
        yield Text(_line(markup, match.start()), match.group(1))
    for match in _BETWEEN_TAGS.finditer(_TAG.sub(_blank, markup)):
        if match.group(1).strip():
            yield Text(_line(markup, match.start(1)), match.group(1))


def _placeholder(match: re.Match[str]) -> str:
    """Return one word of the same length and lines, so that positions stay."""
    return re.sub(r"[^\n]", "x", match.group())


def _blank(match: re.Match[str]) -> str:
    """Return white space of the same length and lines, so that positions stay."""
    return re.sub(r"[^\n]", " ", match.group())


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
