"""Reading what is nearly JSON.

A card prints numbers with C's `printf`, so that a broken probe puts a bare `nan` (or `inf`, or `ovf`) where JSON has
no such thing; and a card short of memory may cut its array anywhere. Everything that can be read is read.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

# A string, left as it is, or a word for "no number" outside one. The possessive repeats keep it linear.
_WORDS: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|[-+]?\b(?:nan|inf(?:inity)?|ovf)\b', re.IGNORECASE | re.DOTALL
)
_FLAT_OBJECT: Final = re.compile(rb"\{[^{}]*\}")


def loads(body: bytes) -> Any:
    """JSON, with words for "no number" read as null. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(_WORDS.sub(_null, body))


def elements(body: bytes) -> list[Any] | None:
    """The elements of an array, or of what is left of one; a lone object counts as an array of one.

    A piece `{...}` that cannot be read is None in the list. None instead of a list where there is not even a piece.
    """
    try:
        whole = loads(body)
    except ValueError:
        pieces = [_piece(match.group()) for match in _FLAT_OBJECT.finditer(body)]
        return pieces or None
    if isinstance(whole, dict):
        return [whole]
    return whole if isinstance(whole, list) else None


def _piece(text: bytes) -> Any:
    try:
        return loads(text)
    except ValueError:
        return None


def _null(match: re.Match[bytes]) -> bytes:
    word = match.group()
    return word if word.startswith(b'"') else b"null"
