"""Reading what is nearly JSON.

A card prints numbers with C's `printf`, so that a broken probe puts a bare `nan` (or `inf`, or `ovf`) where JSON has
no such thing; a card short of memory may cut its array anywhere; and not every library that posts writes UTF-8. Everything
that can be read is read.
"""

from __future__ import annotations

import codecs
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
        return orjson.loads(_WORDS.sub(_null, _utf8(body)))


def elements(body: bytes) -> list[Any] | None:
    """The elements of an array, or of what is left of one; a lone object counts as an array of one.

    A piece `{...}` that cannot be read is None in the list. None instead of a list where there is not even a piece.
    """
    try:
        whole = loads(body)
    except ValueError:
        pieces = [_piece(match.group()) for match in _FLAT_OBJECT.finditer(_utf8(body))]
        return pieces or None
    if isinstance(whole, dict):
        return [whole]
    return whole if isinstance(whole, list) else None


def _utf8(body: bytes) -> bytes:
    """The text in UTF-8: from UTF-16 where a mark or zero bytes tell of it, from Latin-1 where it is not UTF-8."""
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or 0 in body[:2]
    if wide:
        kind = "utf-16" if body[0] > 0xFD else "utf-16-le" if body[0] else "utf-16-be"
        return body.decode(kind, "replace").encode("utf-8", "replace")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    return body


def _piece(text: bytes) -> Any:
    try:
        return loads(text)
    except ValueError:
        return None


def _null(match: re.Match[bytes]) -> bytes:
    word = match.group()
    return word if word.startswith(b'"') else b"null"
