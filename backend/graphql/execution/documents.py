"""Documents, parsed and validated once per text, and found by their SHA-256 so that a client need not send the text.

The web page's documents are known from its build (`persisted.json`, written by `npm run persist`) and stay in memory. Any other
client may use the same convention, `extensions.persistedQuery.sha256Hash`. The answer to an unknown hash is
`PERSISTED_QUERY_NOT_FOUND`; the client then sends text and hash together once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)

from backend.graphql.execution.shape import MAX_TOKENS, shape_fault, text_fault
from backend.graphql.execution.strawberry_internals import VALIDATION_RULES

MANIFEST: Final = Path(__file__).parents[1] / "persisted.json"
NOT_FOUND: Final = "PERSISTED_QUERY_NOT_FOUND"
ONLY_PERSISTED: Final = "PERSISTED_QUERY_REQUIRED"
_VERSION: Final = 1
_MAX_VALID: Final = 256
_MAX_INVALID: Final = 64
_MAX_REGISTERED: Final = 256
_MAX_ERRORS: Final = 5
_MAX_SUGGESTION_CHARACTERS: Final = 2_000
"""Errors of longer documents suggest no names: a suggestion takes half a millisecond, and only people need one."""
_RULES: Final = (*specified_rules, *VALIDATION_RULES)


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A parsed and validated document, or the errors that keep it from running."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()


def sha256(text: str) -> str:
    """Return the SHA-256 in lower-case hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def manifest() -> Mapping[str, str]:
    """Return the web page's documents by their hash."""
    entries: Mapping[str, str] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return entries


class Documents:
    """The documents of one schema.

    persisted          texts by hash that never leave the memory
    only_persisted     refuse all other texts
    introspection      False refuses introspection, and errors suggest no names
    lookups            counter since the start: `hit` for a prepared document, `miss` for one to parse and validate
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        persisted: Mapping[str, str],
        *,
        only_persisted: bool = False,
        introspection: bool = True,
    ) -> None:
        self.lookups: Counter[str] = Counter()
        self._schema = schema
        self._hides_names = not introspection
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._persisted_by_hash = persisted
        self._only_persisted = only_persisted
        self._persisted_texts = frozenset(persisted.values())
        self._persisted: dict[str, PreparedDocument] = {}
        # Two caches: a flood of invalid documents must not evict the valid ones in use.
        self._valid: LRUCache[str, PreparedDocument] = LRUCache(_MAX_VALID)
        self._invalid: LRUCache[str, PreparedDocument] = LRUCache(_MAX_INVALID)
        self._registered_by_hash: LRUCache[str, str] = LRUCache(_MAX_REGISTERED)

    def text_of(self, query: str | None, extensions: Mapping[str, Any] | None) -> str | None:
        """Return the text to run: `query`, or the text for the hash in `extensions`.

        Raises `GraphQLError` with a code for an unknown hash, and for a text that may not run.
        """
        digest = _digest(extensions)
        if digest is not None:
            query = self._text_by_digest(digest, query)
        if self._only_persisted and query is not None and query not in self._persisted_texts:
            raise GraphQLError(
                "This server runs only the documents of its own web page (SEDUCE_PERSISTED_ONLY is set).",
                extensions={"code": ONLY_PERSISTED},
            )
        return query

    def _text_by_digest(self, digest: str, query: str | None) -> str:
        text = self._persisted_by_hash.get(digest) or self._registered_by_hash.get(digest)
        if text is not None:
            return text
        if not query:
            raise GraphQLError("PersistedQueryNotFound", extensions={"code": NOT_FOUND})
        if sha256(query) != digest:
            raise GraphQLError(
                "extensions.persistedQuery.sha256Hash is not the SHA-256 of `query` in lower-case hexadecimal digits."
            )
        if not self._only_persisted:
            self._registered_by_hash[digest] = query
        return query

    def prepare(self, text: str) -> PreparedDocument:
        """Return the document, parsed and validated now or earlier."""
        prepared = self._cached(text)
        if prepared is None:
            steps = self._steps(text)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return self._cache(text, end.value)
        return prepared

    async def prepare_in_steps(self, text: str) -> PreparedDocument:
        """Return the same as `prepare`. Other tasks run between the steps."""
        prepared = self._cached(text)
        if prepared is None:
            steps = self._steps(text)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return self._cache(text, end.value)
                await asyncio.sleep(0)
        return prepared

    def _cached(self, text: str) -> PreparedDocument | None:
        prepared = self._persisted.get(text) or self._valid.get(text) or self._invalid.get(text)
        self.lookups["miss" if prepared is None else "hit"] += 1
        return prepared

    def _cache(self, text: str, prepared: PreparedDocument) -> PreparedDocument:
        if text in self._persisted_texts:
            self._persisted[text] = prepared
        else:
            (self._invalid if prepared.errors else self._valid)[text] = prepared
        return prepared

    def _steps(self, text: str) -> Generator[None, None, PreparedDocument]:
        """Check, parse and validate a text. Each step takes a few milliseconds at most."""
        fault = text_fault(text)
        if fault is not None:
            return PreparedDocument(None, (fault,))
        yield
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
        except GraphQLError as error:
            return PreparedDocument(None, (error,))
        yield
        fault = shape_fault(document)
        if fault is not None:
            return PreparedDocument(None, (fault,))
        yield
        hides_names = self._hides_names or len(text) > _MAX_SUGGESTION_CHARACTERS
        errors = validate(self._schema, document, self._rules, _MAX_ERRORS, hide_suggestions=hides_names)
        return PreparedDocument(None if errors else document, tuple(errors))


def _digest(extensions: Mapping[str, Any] | None) -> str | None:
    """Return the hash that a client sends; None without one. Raises `GraphQLError` for a malformed hash."""
    reference = (extensions or {}).get("persistedQuery")
    if reference is None:
        return None
    digest = reference.get("sha256Hash") if isinstance(reference, dict) else None
    if not isinstance(digest, str) or reference.get("version", _VERSION) != _VERSION:
        raise GraphQLError(
            'extensions.persistedQuery: expected {"version": 1, "sha256Hash": "64 hexadecimal digits"}.'
        )
    return digest
