"""Expected failures of mutations: a member of the union if it has the type, else an error with a path."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import strawberry

from backend.core import errors
from backend.core.rights import Right
from backend.graphql.execution.failures import (
    HANDLERS,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    TooManyAttempts,
)
from backend.graphql.execution.rules import rules
from backend.graphql.execution.schema_class import Operations, Schema
from backend.graphql.field import mutation

FAILURES: dict[str, Any] = {
    "input": errors.UserError("too long: at most 9 letters", path=("thing", "name")),
    "missing": errors.NotFound("there is no such thing", path=("id",)),
    "denied": errors.NotAllowed("only who made it may do that"),
    "conflict": errors.Conflict("it is in use"),
    "often": errors.TooManyAttempts("too often", 2.5),
    "unexpected": RuntimeError("the secret is otter"),
}


@strawberry.type
class Thing:
    name: str


All = Annotated[
    Thing | InvalidInput | NotFound | NotAllowed | Conflict | TooManyAttempts, strawberry.union("All")
]
Few = Annotated[Thing | InvalidInput, strawberry.union("Few")]


@strawberry.type
class Query:
    there: bool = strawberry.field(default=True, metadata=rules(right=Right.ANYONE))


def _rename(how: str) -> Any:
    if how in FAILURES:
        raise FAILURES[how]
    return Thing(name=how)


@strawberry.type
class Mutation:
    @mutation("Its union has all failures.", right=Right.ANYONE)
    async def all(self, how: str) -> All:
        return _rename(how)

    @mutation("Its union has invalid input only.", right=Right.ANYONE)
    async def few(self, how: str) -> Few:
        return _rename(how)


async def run(field: str, how: str) -> Any:
    schema = Schema(Query, Mutation, operations=Operations(), exception_handlers=HANDLERS)
    query = f"""mutation ($how: String!) {{ {field}(how: $how) {{ __typename ... on Thing {{ name }}
        ... on Failure {{ message path }} ... on TooManyAttempts {{ retryAfterSeconds }} }} }}"""
    if field == "few":
        query = query.replace("... on TooManyAttempts { retryAfterSeconds }", "")
    return await schema.execute(query, variable_values={"how": how})


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("input", "InvalidInput"),
        ("missing", "NotFound"),
        ("denied", "NotAllowed"),
        ("conflict", "Conflict"),
        ("often", "TooManyAttempts"),
    ],
)
async def test_an_expected_failure_is_a_member_of_the_union(how: str, kind: str) -> None:
    result = await run("all", how)
    assert result.errors is None
    expected: dict[str, Any] = {
        "__typename": kind,
        "message": str(FAILURES[how]),
        "path": list(FAILURES[how].path),
    }
    if how == "often":
        expected["retryAfterSeconds"] = 2.5
    assert result.data == {"all": expected}


async def test_success_answers_the_changed_object() -> None:
    assert (await run("all", "lamp")).data == {"all": {"__typename": "Thing", "name": "lamp"}}


async def test_a_failure_outside_of_the_union_is_an_error() -> None:
    assert (await run("few", "input")).data["few"]["path"] == ["thing", "name"]
    result = await run("few", "missing")
    (error,) = result.errors
    assert error.extensions == {"code": "NOT_FOUND", "argument": ["id"]}
    assert error.path == ["few"]


async def test_an_unexpected_error_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    (error,) = (await run("all", "unexpected")).errors
    assert error.extensions["code"] == "INTERNAL"
    assert "otter" not in error.message
    assert error.extensions["id"] in caplog.text
    assert "otter" in caplog.text
