"""The rules of the word check. Every function is pure: content in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scripts.words.model import Content, Finding, Rule

MAX_WORDS: Final = 30
"""Words in a sentence of the documentation or of the user interface."""

_EXCERPT: Final = 60
"""Characters of a text that a finding quotes."""

_QUESTION: Final = re.compile(r"(what|how|who|whom|whose|whether|when|where|why|which)\b", re.IGNORECASE)

# fmt: off
FORBIDDEN_NAMES: Final = frozenset([
    "afresh", "again", "anew", "asked", "befell", "begun", "besides", "chosen", "found", "given", "gone", "heard", "judged",
    "kept", "looked", "made", "meant", "mend", "mended", "ours", "said", "seen", "sought", "spoken", "stood",
    "stranger", "taken", "theirs", "they", "told", "unheard", "unsaid", "wanted", "whoever", "whom", "within",
])
# fmt: on
"""Names that do not say what they hold: bare participles, pronouns and riddles. Underscores and case do not matter."""

_WORD: Final = re.compile(r"[\w'’%°.,:/+-]*\w[\w'’%°.,:/+-]*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?:;])[\"')\]*_]*\s+|\n\s*\n")


def check(path: str, content: Content) -> Iterator[Finding]:
    """Yield every place in one file that breaks a rule, in no particular order."""
    yield from _questions(path, content)
    yield from _names(path, content)
    yield from _sentences(path, content)


def _questions(path: str, content: Content) -> Iterator[Finding]:
    for text in content.descriptions:
        start = text.text.strip()
        if _QUESTION.match(start):
            advice = "state what it does or is: 'Return …', 'The …'"
            yield Finding(path, text.line, Rule.QUESTION, _excerpt(start), advice)


def _names(path: str, content: Content) -> Iterator[Finding]:
    for name in content.names:
        if name.name.strip("_").lower() in FORBIDDEN_NAMES:
            advice = "use a noun that says what it holds, or a verb and a noun"
            yield Finding(path, name.line, Rule.NAME, name.name, advice)


def _sentences(path: str, content: Content) -> Iterator[Finding]:
    for text in content.sentences:
        offset = 0
        for sentence in _SENTENCE_END.split(text.text):
            words = len(_WORD.findall(sentence))
            if words > MAX_WORDS:
                position = text.text.find(sentence, offset)
                line = text.line + text.text.count("\n", 0, position)
                advice = f"{words} words; split it, at most {MAX_WORDS}"
                yield Finding(path, line, Rule.LENGTH, _excerpt(sentence), advice)
            offset += len(sentence)


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT]
