"""Metric families, the collectors that read them, and their exposition in Prometheus' text format."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from backend.core.errors import TransientError
from backend.core.measure import BOUNDS_S, Timing

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """The declaration of a metric. `help` is one line; `labels` are the names of its labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


Sample: TypeAlias = tuple[Family, tuple[str, ...], float | Timing]
"""A family, the values of its labels, and a number; a `Timing` for a histogram."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Reads the samples of some families. If `read` raises `TransientError`, the other collectors are still shown."""

    source: str
    families: tuple[Family, ...]
    read: Callable[[], Awaitable[Iterable[Sample]]]


SOURCE_UP: Final = Family(
    "seduce_metrics_source_up",
    "gauge",
    "1 if a group of these metrics could be read, else 0; then its metrics are absent.",
    ("source",),
)


class Metrics:
    """All metrics of a process. Raises ValueError if two families have the same name."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = tuple(collectors)
        self.families = (SOURCE_UP, *(f for c in collectors for f in c.families))
        if len({f.name for f in self.families}) < len(self.families):
            raise ValueError("two metrics have the same name")

    async def render(self) -> str:
        """Return the page. A family without samples still has its HELP and TYPE lines."""
        # Loaded by the first scrape: most processes in tests and commands never have one.
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(await self._read_all()))
        return generate_latest(registry).decode()

    async def _read_all(self) -> dict[Family, list[Sample]]:
        samples: dict[Family, list[Sample]] = {family: [] for family in self.families}
        for collector in self._collectors:
            is_up = 1.0
            try:
                for sample in await collector.read():
                    samples[sample[0]].append(sample)
            except TransientError as error:
                log.debug("metrics unavailable source=%s error=%s", collector.source, error)
                is_up = 0.0
            samples[SOURCE_UP].append((SOURCE_UP, (collector.source,), is_up))
        return samples


class _Snapshot:
    """A collector of `prometheus_client` over samples that were read before: its interface is synchronous."""

    def __init__(self, samples: dict[Family, list[Sample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for family, samples in self._samples.items():
            yield _metric(family, samples)


def _metric(family: Family, samples: Iterable[Sample]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, timing in samples:
            assert isinstance(timing, Timing)
            histogram.add_metric(labels, _buckets(timing), timing.sum_s)
        return histogram
    number = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}[family.kind]
    metric: CounterMetricFamily | GaugeMetricFamily = number(family.name, family.help, labels=family.labels)
    for _, labels, value in samples:
        assert not isinstance(value, Timing)
        metric.add_metric(labels, value)
    return metric


def _buckets(timing: Timing) -> list[tuple[str, float]]:
    """Return the cumulative buckets by their upper bounds, as the label `le` spells them."""
    bounds = [f"{bound:g}" for bound in BOUNDS_S]
    return [*zip(bounds, timing.cumulative(), strict=True), ("+Inf", timing.count)]
