"""Rights and costs that fields declare beside their resolver."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import strawberry
from graphql import parse

from backend.core.rights import Right
from backend.graphql.execution.cost import SUBSCRIPTION_FACTOR, cost_of
from backend.graphql.execution.rules import Cost, MissingRightError, Sizes, rules
from backend.graphql.execution.schema_class import Operations, Schema
from backend.graphql.execution.strawberry_internals import core_schema
from backend.graphql.field import query, resolver, subscription


def _per_sensor(arguments: Any, sizes: Sizes) -> int:
    return sizes.sensors * int(arguments.get("factor") or 1)


@strawberry.type
class Part:
    name: str = "x"
    secret: str = strawberry.field(default="y", metadata=rules(right=Right.ADMIN))

    @resolver("A part with a cost.", cost=Cost(reads=100))
    def history(self) -> int:
        return 1


@strawberry.type
class Query:
    @query("A list with a cost of its own.", right=Right.READ, cost=Cost(members=_per_sensor))
    def parts(self, factor: int = 1) -> list[Part]:
        return []

    @query("A list without a declared cost.", right=Right.ANYONE)
    def others(self) -> list[Part]:
        return []


@strawberry.type
class Subscription:
    @subscription("A number.", right=Right.READ)
    async def number(self) -> AsyncGenerator[int, None]:
        yield 1


def test_a_root_field_without_a_right_keeps_the_schema_from_being_built() -> None:
    @strawberry.type
    class Forgotten(Query):
        @strawberry.field
        def hidden_field(self) -> int:
            return 1

    with pytest.raises(MissingRightError, match=r"Forgotten\.hiddenField.*right=Right\.READ"):
        Schema(Forgotten, operations=Operations())


def test_the_schema_has_the_rules_of_all_fields() -> None:
    table = Schema(Query, operations=Operations()).field_rules
    assert {name: rules.right for name, rules in table.items()} == {
        "Query.parts": Right.READ,
        "Query.others": Right.ANYONE,
        "Part.secret": Right.ADMIN,
        "Part.history": None,
    }


@pytest.mark.parametrize(
    ("document", "cost"),
    [
        ("{ others { name } }", 10),
        ("{ parts { name } }", 7),
        ("{ parts(factor: 3) { name history } }", 21 * (1 + 100)),
        ("query ($f: Int!) { parts(factor: $f) { name } }", 14),
        ("{ parts { ...P ... on Part { name } } } fragment P on Part { history name }", 7 * 102),
        ("{ others { __typename } __typename }", 11),
        ("query A { parts { name } } query B { others { name } }", 0),
    ],
)
def test_costs_add_up_and_lists_multiply(document: str, cost: int) -> None:
    schema = Schema(Query, operations=Operations())
    parsed = parse(document)
    assert cost_of(core_schema(schema), schema.field_rules, parsed, None, {"f": 2}, Sizes(sensors=7)) == cost


def test_a_subscription_costs_several_answers() -> None:
    schema = Schema(Query, subscription=Subscription, operations=Operations())
    document = parse("subscription { number }")
    cost = cost_of(core_schema(schema), schema.field_rules, document, None, {}, Sizes())
    assert cost == SUBSCRIPTION_FACTOR
