"""Documents by their text, parsed and validated once, and by their SHA-256, so that a client need not send the text.

What the page asks is known when it is built (`persisted.json`, made by `npm run persist`) and kept for good. Any other client may
use the same convention, `extensions.persistedQuery.sha256Hash`: a hash that is not known is answered `PERSISTED_QUERY_NOT_FOUND`,
and the client then sends text and hash together once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from backend.graphql.execution.shape import MAX_TOKENS, shape_fault, text_fault

MANIFEST: Final = Path(__file__).parents[1] / "persisted.json"
NOT_FOUND: Final = "PERSISTED_QUERY_NOT_FOUND"
ONLY_PERSISTED: Final = "PERSISTED_QUERY_REQUIRED"
_VERSION: Final = 1
_KEPT: Final = 256
_REFUSED_KEPT: Final = 64
_AUTOMATIC: Final = 256
_MAX_ERRORS: Final = 5
_SUGGESTED_UP_TO: Final = 2_000
"""Characters of a document that names are suggested for."""
_RULES: Final = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that may run, or why it may not."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()


class _Newest(Generic[V]):
    """The values that were used last, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: V) -> None:
        self._values[key] = value
        if len(self._values) > self._size:
            self._values.popitem(last=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest() -> Mapping[str, str]:
    """The page's documents by their hash."""
    entries: Mapping[str, str] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return entries


class Documents:
    """Of one schema. `persisted` are texts by hash; where `only_persisted` is set no other may run."""

    def __init__(
        self,
        schema: GraphQLSchema,
        persisted: Mapping[str, str],
        *,
        only_persisted: bool = False,
        introspection: bool = True,
    ) -> None:
        self.lookups: Counter[str] = Counter()
        """Since the start: how often a document was ready (`hit`), and how often it had to be parsed and validated (`miss`)."""
        self._schema = schema
        self._hides = not introspection
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._persisted = persisted
        self._only_persisted = only_persisted
        self._texts = frozenset(persisted.values())
        self._known: dict[str, Prepared] = {}
        # A flood of faulty documents must not drive out those that are in use.
        self._good = _Newest[Prepared](_KEPT)
        self._bad = _Newest[Prepared](_REFUSED_KEPT)
        self._automatic = _Newest[str](_AUTOMATIC)

    def text_of(self, query: str | None, extensions: Mapping[str, Any] | None) -> str | None:
        """The text to run: `query`, or what the hash in `extensions` stands for. Raises `GraphQLError` with a code."""
        digest = _digest(extensions)
        if digest is not None:
            query = self._by_digest(digest, query)
        if self._only_persisted and query is not None and query not in self._texts:
            raise GraphQLError(
                "Only the documents that this server knows by their hash may run (SEDUCE_PERSISTED_ONLY).",
                extensions={"code": ONLY_PERSISTED},
            )
        return query

    def _by_digest(self, digest: str, query: str | None) -> str:
        known = self._persisted.get(digest) or self._automatic.get(digest)
        if known is not None:
            return known
        if not query:
            raise GraphQLError("PersistedQueryNotFound", extensions={"code": NOT_FOUND})
        if sha256(query) != digest:
            raise GraphQLError(
                "extensions.persistedQuery.sha256Hash is not the SHA-256 of `query` in lower-case hexadecimal digits."
            )
        if not self._only_persisted:
            self._automatic.put(digest, query)
        return query

    def prepare(self, text: str) -> Prepared:
        """Parsed and validated, now or earlier."""
        found = self._look_up(text)
        if found is None:
            steps = self._steps(text)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return self._keep(text, end.value)
        return found

    async def ready(self, text: str) -> Prepared:
        """As `prepare`, but others get their turn between the steps."""
        found = self._look_up(text)
        if found is None:
            steps = self._steps(text)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return self._keep(text, end.value)
                await asyncio.sleep(0)
        return found

    def _look_up(self, text: str) -> Prepared | None:
        found = self._known.get(text) or self._good.get(text) or self._bad.get(text)
        self.lookups["miss" if found is None else "hit"] += 1
        return found

    def _keep(self, text: str, prepared: Prepared) -> Prepared:
        if text in self._texts:
            self._known[text] = prepared
        else:
            (self._bad if prepared.errors else self._good).put(text, prepared)
        return prepared

    def _steps(self, text: str) -> Generator[None, None, Prepared]:
        """Each step takes some milliseconds at most."""
        fault = text_fault(text)
        if fault is not None:
            return Prepared(None, (fault,))
        yield
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
        except GraphQLError as error:
            return Prepared(None, (error,))
        yield
        fault = shape_fault(document)
        if fault is not None:
            return Prepared(None, (fault,))
        yield
        # A name is compared with all others to suggest one: half a millisecond each, kept for what a person wrote.
        hides = self._hides or len(text) > _SUGGESTED_UP_TO
        errors = validate(self._schema, document, self._rules, _MAX_ERRORS, hide_suggestions=hides)
        return Prepared(None if errors else document, tuple(errors))


def _digest(extensions: Mapping[str, Any] | None) -> str | None:
    """The hash that a client sends instead of a text. Raises `GraphQLError` for one that is no hash."""
    wanted = (extensions or {}).get("persistedQuery")
    if wanted is None:
        return None
    digest = wanted.get("sha256Hash") if isinstance(wanted, dict) else None
    if not isinstance(digest, str) or wanted.get("version", _VERSION) != _VERSION:
        raise GraphQLError(
            'extensions.persistedQuery: expected {"version": 1, "sha256Hash": "64 hexadecimal digits"}.'
        )
    return digest
