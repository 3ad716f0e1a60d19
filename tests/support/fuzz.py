"""Random invalid inputs. They are seeded, so that a failure can be reproduced."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

COUNT = int(os.environ.get("SEDUCE_FUZZ", "3000"))
"""The number of inputs of each fuzzer. The full run has 100,000."""
SEED = int(os.environ.get("SEDUCE_FUZZ_SEED", "1"))

_TOKENS: Sequence[bytes] = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xb0", b"nan", b"-inf", b"null",
    b"true", b"1e999", b"-1e-999", b"9" * 400, b"0x1f", b"\\u0000", b"\\ud800", b'"v"', b'"sensor"', b"{" * 300, b"[" * 3000,
    b"\r\n\r\n", b"\xf0\x9f\x94\xa5", b"28:b8", b"-127", b"85.0", b" " * 200,
)  # fmt: skip


def dice(salt: str) -> random.Random:
    return random.Random(f"{SEED} {salt}")


def mutated(chance: random.Random, body: bytes) -> bytes:
    """Return the body with some bytes changed, removed or repeated, or with an invalid token inserted."""
    for _ in range(chance.choice((0, 1, 1, 2, 5, 20))):
        at, to = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
        how = chance.randrange(6)
        if how == 0:
            body = body[:at] + chance.choice(_TOKENS) + body[at:]
        elif how == 1:
            body = body[:at] + body[to:]
        elif how == 2:
            body = body[:at] + bytes((chance.randrange(256),)) + body[at + 1 :]
        elif how == 3:
            body = body[:at]
        elif how == 4 and len(body) < 20_000:
            body = body[:to] + body[at:]
        else:
            body = body[:at] + chance.choice(_TOKENS) + body[to:]
    return body


def anything(chance: random.Random, depth: int = 3) -> Any:
    """Something that JSON may hold."""
    kind = chance.randrange(11 if depth else 8)
    if kind >= 9:
        return {text(chance): anything(chance, depth - 1) for _ in range(chance.randrange(4))}
    if kind == 8:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    return (
        None,
        chance.random() < 0.5,
        chance.randrange(-200, 200),
        chance.choice((10**30, -(10**400), 2**63, 1_790_000_000, 0)),
        chance.gauss(20, 60),
        chance.choice((float("nan"), float("inf"), 1e308, -0.0)),
        text(chance),
        chance.choice(("nan", "21.5", "-1e999", "1_0", "٣", "", " 7 ")),
    )[kind]


def text(chance: random.Random) -> str:
    return "".join(
        chr(chance.choice((34, 58, 92, 0, 233, 0x1F525, 97, 50))) for _ in range(chance.randrange(6))
    )


def inputs(salt: str, share: int = 1) -> Iterator[random.Random]:
    """One random source for each input; `share` divides their number where an input is costly."""
    for number in range(max(1, COUNT // share)):
        yield dice(f"{salt} {number}")
