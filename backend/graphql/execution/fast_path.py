"""A fast path for objects of plain attributes, without the executor's work per field.

A tree of 165 nodes has 1,500 leaf fields, and the executor takes microseconds for each: resolve info, path, resolver,
completion. If all selected fields of a type only read an attribute, reading the attributes directly gives the same answer in a
tenth of the time. The executor handles everything else: resolvers, arguments, and a null in a non-null field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)

from backend.graphql.execution.strawberry_internals import (
    CoreExecutionContext,
    definition_of,
    is_plain_attribute,
)

Read: TypeAlias = Callable[[Any], Any]
"""Converts one Python value to its JSON value."""

_JSON_SCALARS: Final = frozenset({"String", "ID", "Int", "Float", "Boolean", "Int64Array", "Float64Array"})
"""Scalars whose Python values orjson encodes as they are."""


class _NullInNonNullError(Exception):
    """A non-null field has no value. The executor then reports it with path and location."""


class FastPathExecutor(CoreExecutionContext):
    """The executor with the fast path."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # By identity: the executor keeps its collected field sets alive for the operation.
        self._plans: dict[tuple[str, int], Read | None] = {}

    def execute_fields(
        self, parent_type: GraphQLObjectType, source_value: Any, path: Any, grouped_field_set: Any, *rest: Any
    ) -> Any:
        plan = self._plan(parent_type, grouped_field_set)
        if plan is not None:
            try:
                return plan(source_value)
            except _NullInNonNullError:
                pass
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, *rest)

    def _plan(self, parent: GraphQLObjectType, fields: Mapping[str, Any]) -> Read | None:
        key = (parent.name, id(fields))
        if key not in self._plans:
            self._plans[key] = self._object_reader(parent, fields)
        return self._plans[key]

    def _object_reader(self, parent: GraphQLObjectType, fields: Mapping[str, Any]) -> Read | None:
        """Return a function that converts one object to a dict; None if a field is not a plain attribute."""
        if parent in (self.schema.query_type, self.schema.subscription_type, self.schema.mutation_type):
            return None
        if not fields:  # a member of a union from which the document selects nothing
            return None
        attributes: list[str] = []
        readers: list[tuple[int, Read]] = []
        required: list[int] = []
        for position, details in enumerate(fields.values()):
            field = parent.fields.get(details[0].node.name.value)
            if field is None or not is_plain_attribute(field):
                return None
            read = self._value_reader(field.type, details)
            if read is None:
                return None
            definition = definition_of(field)
            assert definition is not None
            attributes.append(definition.python_name)
            if isinstance(field.type, GraphQLNonNull):
                required.append(position)
            if read is not _unchanged:
                readers.append((position, read))
        return _reader(tuple(fields), attributes, readers, required)

    def _value_reader(self, kind: GraphQLOutputType, details: Any) -> Read | None:
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        if isinstance(kind, GraphQLList):
            each = self._value_reader(kind.of_type, details)
            return each if each is None or each is _unchanged else lambda values: [each(v) for v in values]
        if is_leaf_type(kind):
            return _unchanged if kind.name in _JSON_SCALARS else kind.serialize
        if not isinstance(kind, GraphQLObjectType):
            return None
        collected = self.collect_subfields(kind, details)
        if getattr(collected, "new_defer_usages", None):
            return None
        return self._plan(kind, collected[0])


def _unchanged(value: Any) -> Any:
    return value


def _reader(
    keys: tuple[str, ...], attributes: list[str], readers: list[tuple[int, Read]], required: list[int]
) -> Read:
    """Return a function that reads `attributes` of an object into a dict with `keys`.

    readers     conversions by position, for values that JSON does not take as they are
    required    positions that must not be None; the function raises `_NullInNonNullError`
    """
    get = _getter(attributes)
    conversions = [(keys[position], convert) for position, convert in readers]

    def read(source: Any) -> dict[str, Any]:
        values = get(source)
        for position in required:
            if values[position] is None:
                raise _NullInNonNullError
        answer = dict(zip(keys, values, strict=True))
        for key, convert in conversions:
            if answer[key] is not None:
                answer[key] = convert(answer[key])
        return answer

    return read


def _getter(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads the attributes of an object as a tuple."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    only = attrgetter(attributes[0])
    return lambda source: (only(source),)
