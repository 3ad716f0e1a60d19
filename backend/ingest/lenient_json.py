"""A lenient JSON parser for the bodies that small devices send.

A card prints numbers with C's `printf`, so a broken probe produces a bare `nan`, `inf` or `ovf`, which JSON does not allow. A
card that is short of memory may cut its array anywhere. Some HTTP libraries do not send UTF-8. The parser reads all it can.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

import orjson

# A string, which is left as it is, or a word for "no number" outside of one. The possessive repeats keep the match linear.
_STRING_OR_WORD: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|[-+]?\b(?:nan|inf(?:inity)?|ovf)\b', re.IGNORECASE | re.DOTALL
)
_FLAT_OBJECT: Final = re.compile(rb"\{[^{}]*\}")


def loads(body: bytes) -> Any:
    """Parse JSON, with words for "no number" as null. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(_STRING_OR_WORD.sub(_replace_word, _to_utf8(body)))


def elements(body: bytes) -> list[Any] | None:
    """Return the elements of an array, or those of a damaged array that can be read. A lone object is an array of one.

    An object `{...}` of a damaged array that cannot be read is None in the list. Returns None if there is no element at all.
    """
    try:
        document = loads(body)
    except ValueError:
        objects = [_parse_object(match.group()) for match in _FLAT_OBJECT.finditer(_to_utf8(body))]
        return objects or None
    if isinstance(document, dict):
        return [document]
    return document if isinstance(document, list) else None


def _to_utf8(body: bytes) -> bytes:
    """Return the text in UTF-8. A mark or zero bytes reveal UTF-16; other bodies that are not UTF-8 are read as Latin-1."""
    is_utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or 0 in body[:2]
    if is_utf16:
        encoding = "utf-16" if body[0] > 0xFD else "utf-16-le" if body[0] else "utf-16-be"
        return body.decode(encoding, "replace").encode("utf-8", "replace")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    return body


def _parse_object(text: bytes) -> Any:
    try:
        return loads(text)
    except ValueError:
        return None


def _replace_word(match: re.Match[bytes]) -> bytes:
    text = match.group()
    return text if text.startswith(b'"') else b"null"
