"""The types that the readers and the rules of the word check share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The rules, by the name that a finding and an exception use."""

    QUESTION = "question-word"
    """A docstring or a description starts with a question word."""
    NAME = "name"
    """A function, class, parameter or variable has a name that says nothing."""
    LENGTH = "long-sentence"
    """A sentence of the documentation or of the user interface has too many words."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text that people read. `line` is where it starts, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the source defines, in the language's own spelling."""

    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of one file that the rules check.

    `descriptions` are docstrings and descriptions, `sentences` is prose, `names` are the names the file defines.
    """

    descriptions: tuple[Text, ...] = ()
    sentences: tuple[Text, ...] = ()
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks a rule. `excerpt` is the name or the start of the text; an exception quotes it."""

    path: str
    line: int
    rule: Rule
    excerpt: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.excerpt!r}: {self.advice}"
