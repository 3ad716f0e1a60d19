"""Hostile documents: deep, wide, aliased, circular, doubling, with many directives, with huge variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CYCLE = "{ ...A } fragment A on Query { ...B overview { at } } fragment B on Query { ...A overview { at } }"
DOUBLING = (
    "{ ...F0 } "
    + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(40))
    + " fragment F40 on Query { overview { at } }"
)


def deep(levels: int) -> str:
    return "{" + " consumption {" * levels + " at " + "}" * levels + "}"


def wide(fields: int) -> str:
    return "{" + " sensorTypes { name }" * fields + "}"


def aliased(count: int) -> str:
    return "{" + " ".join(f"a{i}: energyTree {{ at }}" for i in range(count)) + "}"


def crossed(count: int) -> str:
    """Return a document in which every field conflicts with every other, since validation compares them in pairs."""
    return "{" + " ".join(f'x: energyTree(root: "{i}") {{ at }}' for i in range(count)) + "}"


def directed(count: int) -> str:
    return "{ overview { at " + "@include(if: true) @skip(if: false) " * count + "} }"


def introspecting(depth: int) -> str:
    return "{ __schema { types " + "{ fields { type " * depth + "{ name }" + "} }" * depth + " } }"


def quoted(size: int) -> str:
    return '{ sensor(name: "' + "\\n" * size + '") { name } }'


def documents(count: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield `count` different documents, cycling through all kinds."""
    makers = (
        lambda n: deep(12 + n % 60),
        lambda n: wide(31 + n % 150),
        lambda n: aliased(31 + n % 60),
        lambda n: crossed(32 + n % 60),
        lambda n: directed(30 + n % 60),
        lambda n: introspecting(3 + n % 8),
        lambda n: quoted(25_100 + n),
        lambda n: DOUBLING.replace("F4", f"G{n}x"),
        lambda n: CYCLE.replace("at", f"at n{n}"),
        lambda n: "{" + " ".join(f"field{n}x{i}" for i in range(200 + n % 100)) + "}",
        lambda n: (
            "query(" + " ".join(f"$v{n}x{i}: Int" for i in range(40 + n % 60)) + ") { overview { at } }"
        ),
        lambda n: "{ a(x: " + "[" * (20 + n % 150) + "1" + "]" * (20 + n % 150) + ") }",
    )
    for number in range(count):
        yield makers[number % len(makers)](number), None


def huge_variables(values: int) -> tuple[str, dict[str, Any]]:
    query = 'query ($names: [ID!]) { series(sensors: $names, from: "2023-11-14T11:00:00Z") { unit } }'
    return query, {"names": ["x"] * values}
