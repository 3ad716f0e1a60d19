"""schema.graphql is up to date, keeps the core that clients depend on, and describes all its parts."""

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
"""The part that the first clients use. The schema may add to it, and must not change it."""


def test_schema_graphql_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == sdl(), "run python -m scripts.schema_export"


def test_the_core_of_the_schema_is_unchanged() -> None:
    schema = build_schema(FILE.read_text(encoding="utf-8"))
    for name, core_type in build_schema(CORE).type_map.items():
        present = schema.type_map[name]
        assert type(present) is type(core_type)
        if isinstance(core_type, GraphQLEnumType):
            assert isinstance(present, GraphQLEnumType)
            assert list(present.values) == list(core_type.values)
        if isinstance(core_type, GraphQLObjectType) and not is_introspection_type(core_type):
            assert isinstance(present, GraphQLObjectType)
            for field_name, field in core_type.fields.items():
                same_field = present.fields[field_name]
                assert str(same_field.type) == str(field.type), f"{name}.{field_name}"
                for argument_name, argument in field.args.items():
                    same = same_field.args[argument_name]
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
                    for argument, definition in field.args.items()
                    if not definition.description
                )
    for directive in schema.directives:
        if not directive.description:
            yield f"@{directive.name}"
        yield from (
            f"@{directive.name}({argument})"
            for argument, definition in directive.args.items()
            if not definition.description
        )


def test_everything_is_described() -> None:
    assert list(undescribed(build_schema(FILE.read_text(encoding="utf-8")))) == []


def test_missing_descriptions_are_detected() -> None:
    bare = """type Query { a(b: In): Un } input In { c: En } enum En { D } union Un = Ob type Ob implements If { e: Sc }
        interface If { e: Sc } scalar Sc directive @di(f: Int) on FIELD"""
    assert set(undescribed(build_schema(bare))) >= {
        *("Query", "Query.a", "Query.a(b)", "In", "In.c", "En", "En.D", "Un", "Ob", "Ob.e", "If", "If.e"),
        *("Sc", "@di", "@di(f)"),
    }


def test_descriptions_of_numbers_state_the_unit() -> None:
    """The unit is in the name or in the description. A ratio or a count has none, and says so."""
    schema = build_schema(FILE.read_text(encoding="utf-8"))
    without_unit = [
        f"{name}.{field_name}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not is_introspection_type(kind)
        for field_name, field in kind.fields.items()
        if str(get_named_type(field.type)) in ("Float", "Float64Array", "Int64Array")
        and not UNIT.search(f"{field_name} {field.description}")
    ]
    assert without_unit == []
