"""The GraphQL documents of this package. A test validates them against the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SENSORS: Final = """
query Sensors($type: String, $method: String, $search: String, $after: String) {
  sensors(type: $type, method: $method, search: $search, first: 1000, after: $after) {
    edges { node { name label type unit location method parent tags periodSeconds latest { time value ageSeconds } } }
    pageInfo { hasNextPage endCursor }
  }
}"""

TREE: Final = """
query EnergyTree($tree: Tree!, $root: ID, $at: DateTime) {
  energyTree(tree: $tree, root: $root, at: $at) {
    at
    nodes { id name parent target watts coverage sensorsExpected sensorsReporting missing }
  }
}"""

_SERIES: Final = """
query Series($sensors: [ID!], $nodes: [ID!], $from: DateTime!, $to: DateTime, $points: Int, $statistics: [Statistic!]) {
  series(sensors: $sensors, nodes: $nodes, from: $from, to: $to, maxPoints: $points, statistics: $statistics) {
    sensor node unit window stepSeconds timestamps values COLUMNS coverage
  }
}"""


def series(statistics: Sequence[str]) -> str:
    """Return the query with only the given statistics, because each column adds to the cost of the query."""
    return _SERIES.replace("COLUMNS", " ".join(statistics))


READINGS: Final = """
subscription Readings($sensors: [ID!], $types: [String!]) {
  readings(sensors: $sensors, types: $types) { snapshot sensors timestamps values }
}"""
