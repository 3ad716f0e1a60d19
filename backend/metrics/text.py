"""Prometheus' text format, version 0.0.4, and the collectors that fill it when it is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from backend.core.errors import TransientError
from backend.core.measure import BOUNDS_S, Timing

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: `help` is one line, `labels` are the names whose values tell its samples apart."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


Sample: TypeAlias = tuple[Family, tuple[str, ...], float | Timing]
"""A family, the values of its labels, and a number; a `Timing` for a histogram."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Reads the samples of some families. `read` may raise `TransientError`: the other collectors are still shown."""

    source: str
    families: tuple[Family, ...]
    read: Callable[[], Awaitable[Iterable[Sample]]]


SOURCE_UP: Final = Family(
    "seduce_metrics_source_up",
    "gauge",
    "1 where the source of a group of these metrics could be read, else 0, and its metrics are absent.",
    ("source",),
)


class Metrics:
    """All that a process shows. Raises ValueError where two families share a name."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = tuple(collectors)
        self.families = (SOURCE_UP, *(f for c in collectors for f in c.families))
        if len({f.name for f in self.families}) < len(self.families):
            raise ValueError("two metrics of one name")

    async def render(self) -> str:
        """The page. Each family has its HELP and TYPE lines, also where it has no sample."""
        samples: dict[Family, list[Sample]] = {family: [] for family in self.families}
        for collector in self._collectors:
            up = 1.0
            try:
                for sample in await collector.read():
                    samples[sample[0]].append(sample)
            except TransientError as error:
                log.debug("metrics of %s cannot be read: %s", collector.source, error)
                up = 0.0
            samples[SOURCE_UP].append((SOURCE_UP, (collector.source,), up))
        return "".join(line for family in self.families for line in _family(family, samples[family]))


def _family(family: Family, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {family.name} {_escape(family.help, quotes=False)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for _, values, value in samples:
        labels = [f'{n}="{_escape(v)}"' for n, v in zip(family.labels, values, strict=True)]
        if isinstance(value, Timing):
            yield from _histogram(family.name, labels, value)
        else:
            yield f"{family.name}{_braces(labels)} {_number(value)}\n"


def _histogram(name: str, labels: Sequence[str], timing: Timing) -> Iterator[str]:
    within = {f"{bound:g}": count for bound, count in zip(BOUNDS_S, timing.cumulative(), strict=True)}
    for bound, count in (within | {"+Inf": timing.count}).items():
        last = f'le="{bound}"'
        yield f"{name}_bucket{_braces([*labels, last])} {count}\n"
    yield f"{name}_sum{_braces(labels)} {_number(timing.sum_s)}\n"
    yield f"{name}_count{_braces(labels)} {timing.count}\n"


def _braces(labels: Sequence[str]) -> str:
    return "{" + ",".join(labels) + "}" if labels else ""


def _escape(text: str, quotes: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
