"""Data loaders that combine what the members of a list read into one read of the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader

from backend.queries.balance import Balance
from backend.queries.series import SeriesColumns, SeriesRequest, WindowChoice
from backend.queries.services import Queries
from backend.queries.usage import Energy, EnergyRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """The name of a sensor, or the id of a node of an energy tree."""

    name: str
    is_node: bool = False


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A read of one series over a range. The fields are those of `SeriesRequest`."""

    ref: SeriesRef
    start_ns: int
    end_ns: int | None
    window: WindowChoice
    max_points: int
    statistics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnergyKey:
    """A read of the energy of one series over a range. `missing`: also list silent sensors of a node."""

    ref: SeriesRef
    start_ns: int
    end_ns: int | None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class BalanceKey:
    """A read of the balance of one node. `at_ns` None is now."""

    ref: SeriesRef
    at_ns: int | None


@dataclass(slots=True)
class Loaders:
    """The loaders of one request or connection. They cache nothing: a later read may have another answer."""

    queries: Queries
    series: DataLoader[SeriesKey, SeriesColumns] = field(init=False)
    energy: DataLoader[EnergyKey, Energy] = field(init=False)
    balance: DataLoader[BalanceKey, Balance] = field(init=False)

    def __post_init__(self) -> None:
        self.series = DataLoader(self._load_series, cache=False)
        self.energy = DataLoader(self._load_energy, cache=False)
        self.balance = DataLoader(self._load_balances, cache=False)

    async def _load_series(self, keys: list[SeriesKey]) -> Sequence[SeriesColumns | BaseException]:
        async def read(key: SeriesKey, sensors: list[str], nodes: list[str]) -> list[SeriesColumns]:
            return await self.queries.series.read(
                SeriesRequest(
                    sensors, nodes, key.start_ns, key.end_ns, key.window, key.max_points, key.statistics
                )
            )

        return await _read_groups(
            keys, lambda k: (k.start_ns, k.end_ns, k.window, k.max_points, k.statistics), read
        )

    async def _load_energy(self, keys: list[EnergyKey]) -> Sequence[Energy | BaseException]:
        async def read(key: EnergyKey, sensors: list[str], nodes: list[str]) -> list[Energy]:
            return await self.queries.usage.read(
                EnergyRequest(sensors, nodes, key.start_ns, key.end_ns, missing=key.missing)
            )

        return await _read_groups(keys, lambda k: (k.start_ns, k.end_ns, k.missing), read)

    async def _load_balances(self, keys: list[BalanceKey]) -> Sequence[Balance | BaseException]:
        async def read(key: BalanceKey, sensors: list[str], nodes: list[str]) -> list[Balance]:
            return list(await self.queries.balance.read(nodes, key.at_ns, None, None))

        return await _read_groups(keys, lambda k: k.at_ns, read)


async def _read_groups(
    keys: Sequence[Any],
    group_of: Callable[[Any], Hashable],
    read: Callable[[Any, list[str], list[str]], Awaitable[Sequence[T]]],
) -> list[T | BaseException]:
    """Call `read` once per group of keys, and return the answers in the order of `keys`.

    Keys of one group differ only in `ref`. `read` takes one of them, sensor names and node ids; it answers sensors first, then
    nodes. A failure is the answer for the keys of its group only.
    """
    groups: dict[Hashable, dict[SeriesRef, None]] = {}
    examples: dict[Hashable, Any] = {}
    for key in keys:
        group = group_of(key)
        groups.setdefault(group, {})[key.ref] = None
        examples[group] = key
    answers: dict[tuple[Hashable, SeriesRef], T | BaseException] = {}
    for group, refs in groups.items():
        ordered = sorted(refs, key=lambda ref: ref.is_node)
        sensors = [ref.name for ref in ordered if not ref.is_node]
        nodes = [ref.name for ref in ordered if ref.is_node]
        try:
            results: Sequence[T | BaseException] = await read(examples[group], sensors, nodes)
        except Exception as error:
            results = [error] * len(ordered)
        answers |= {(group, ref): result for ref, result in zip(ordered, results, strict=True)}
    return [answers[group_of(key), key.ref] for key in keys]
