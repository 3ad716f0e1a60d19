"""schema.graphql is what the code says, keeps what clients were written against, and explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

from scripts.schema_export import sdl

UNIT = re.compile(
    r"watts|kwh|celsius|seconds|percent|\bW\b|kWh|°C|\bms\b|\bunit\b|0 to 1|ratio|number of|windows computed per second",
    re.IGNORECASE,
)

FILE = Path(__file__).resolve().parents[1] / "schema.graphql"

CORE = """
scalar DateTime  scalar Int64Array  scalar Float64Array
enum Window { RAW S30 M1 H1 D1 AUTO }
enum Tree { CONSUMPTION PRODUCTION }
enum Statistic { MEAN MIN MAX SUM COUNT STDDEV MEDIAN }
type Query {
  sensors(type: String, method: String, search: String, first: Int, after: String): SensorConnection!
  sensor(name: ID!): Sensor
  series(sensors: [ID!], nodes: [ID!], from: DateTime!, to: DateTime, window: Window = AUTO, maxPoints: Int = 2000,
         statistics: [Statistic!] = [MEAN]): [Series!]!
  energyTree(tree: Tree! = CONSUMPTION, root: ID, at: DateTime): EnergyTree!
}
type SensorConnection { totalCount: Int!  edges: [SensorEdge!]!  pageInfo: PageInfo! }
type SensorEdge { cursor: String!  node: Sensor! }
type PageInfo { hasNextPage: Boolean!  hasPreviousPage: Boolean!  startCursor: String  endCursor: String }
type Sensor {
  name: ID!  type: String!  unit: String!  location: String!  method: String!  parent: String  tags: [String!]!
  info: String!  latest: Latest
}
type Latest { time: DateTime!  value: Float!  ageSeconds: Float! }
type Series {
  sensor: ID  node: ID  unit: String!  window: Window!  timestamps: Int64Array!  values: Float64Array!
  mean: Float64Array  min: Float64Array  max: Float64Array  sum: Float64Array  count: Float64Array
  stddev: Float64Array  median: Float64Array  coverage: Float64Array
}
type EnergyTree { at: DateTime!  nodes: [EnergyNode!]! }
type EnergyNode {
  id: ID!  name: String!  parent: ID  target: ID  watts: Float  coverage: Float!  sensorsExpected: Int!
  sensorsReporting: Int!  missing: [ID!]!
}
type Subscription {
  readings(sensors: [ID!], types: [String!]): ReadingBatch!
  energyTree(tree: Tree! = CONSUMPTION, root: ID): EnergyTree!
}
type ReadingBatch { snapshot: Boolean!  sensors: [ID!]!  timestamps: Int64Array!  values: Float64Array! }
"""
"""What clients were written against. It may be grown around, not changed."""


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == sdl(), "run python -m scripts.schema_export"


def test_the_core_is_kept() -> None:
    ours = build_schema(FILE.read_text(encoding="utf-8"))
    for name, wanted in build_schema(CORE).type_map.items():
        found = ours.type_map[name]
        assert type(found) is type(wanted)
        if isinstance(wanted, GraphQLEnumType):
            assert isinstance(found, GraphQLEnumType)
            assert list(found.values) == list(wanted.values)
        if isinstance(wanted, GraphQLObjectType) and not is_introspection_type(wanted):
            assert isinstance(found, GraphQLObjectType)
            for field_name, field in wanted.fields.items():
                kept = found.fields[field_name]
                assert str(kept.type) == str(field.type), f"{name}.{field_name}"
                for argument_name, argument in field.args.items():
                    same = kept.args[argument_name]
                    assert str(same.type) == str(argument.type), f"{name}.{field_name}({argument_name})"


def undescribed(schema: GraphQLSchema) -> Iterator[str]:
    for name, kind in schema.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{v}" for v, value in kind.values.items() if not value.description)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{name}.{f}" for f, field in kind.fields.items() if not field.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                if not field.description:
                    yield f"{name}.{field_name}"
                yield from (
                    f"{name}.{field_name}({argument})"
                    for argument, found in field.args.items()
                    if not found.description
                )
    for directive in schema.directives:
        if not directive.description:
            yield f"@{directive.name}"
        yield from (
            f"@{directive.name}({argument})"
            for argument, found in directive.args.items()
            if not found.description
        )


def test_everything_is_described() -> None:
    assert list(undescribed(build_schema(FILE.read_text(encoding="utf-8")))) == []


def test_what_is_not_described_is_found() -> None:
    bare = """type Query { a(b: In): Un } input In { c: En } enum En { D } union Un = Ob type Ob implements If { e: Sc }
        interface If { e: Sc } scalar Sc directive @di(f: Int) on FIELD"""
    assert set(undescribed(build_schema(bare))) >= {
        *("Query", "Query.a", "Query.a(b)", "In", "In.c", "En", "En.D", "Un", "Ob", "Ob.e", "If", "If.e"),
        *("Sc", "@di", "@di(f)"),
    }


def test_numbers_that_have_a_unit_say_it() -> None:
    """In the name, or in the description; or they say that there is none."""
    schema = build_schema(FILE.read_text(encoding="utf-8"))
    silent = [
        f"{name}.{field_name}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not is_introspection_type(kind)
        for field_name, field in kind.fields.items()
        if str(get_named_type(field.type)) in ("Float", "Float64Array", "Int64Array")
        and not UNIT.search(f"{field_name} {field.description}")
    ]
    assert silent == []
