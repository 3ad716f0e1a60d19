"""What members of a list ask the store for, gathered into one read each."""

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
class One:
    """A sensor or a node."""

    name: str
    is_node: bool = False


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """The past of one; the fields are those of `SeriesRequest`."""

    one: One
    start_ns: int
    end_ns: int | None
    window: WindowChoice
    max_points: int
    statistics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnergyKey:
    """The energy of one over a range."""

    one: One
    start_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class BalanceKey:
    """The balance of a node; `at_ns` None is now."""

    one: One
    at_ns: int | None


@dataclass(slots=True)
class Loaders:
    """Of one request or connection. Nothing is remembered: the same may be asked again and have another answer."""

    queries: Queries
    series: DataLoader[SeriesKey, SeriesColumns] = field(init=False)
    energy: DataLoader[EnergyKey, Energy] = field(init=False)
    balance: DataLoader[BalanceKey, Balance] = field(init=False)

    def __post_init__(self) -> None:
        self.series = DataLoader(self._series, cache=False)
        self.energy = DataLoader(self._energy, cache=False)
        self.balance = DataLoader(self._balance, cache=False)

    async def _series(self, keys: list[SeriesKey]) -> Sequence[SeriesColumns | BaseException]:
        async def read(key: SeriesKey, sensors: list[str], nodes: list[str]) -> list[SeriesColumns]:
            return await self.queries.series.read(
                SeriesRequest(
                    sensors, nodes, key.start_ns, key.end_ns, key.window, key.max_points, key.statistics
                )
            )

        return await _grouped(
            keys, lambda k: (k.start_ns, k.end_ns, k.window, k.max_points, k.statistics), read
        )

    async def _energy(self, keys: list[EnergyKey]) -> Sequence[Energy | BaseException]:
        async def read(key: EnergyKey, sensors: list[str], nodes: list[str]) -> list[Energy]:
            return await self.queries.usage.read(EnergyRequest(sensors, nodes, key.start_ns, key.end_ns))

        return await _grouped(keys, lambda k: (k.start_ns, k.end_ns), read)

    async def _balance(self, keys: list[BalanceKey]) -> Sequence[Balance | BaseException]:
        async def read(key: BalanceKey, sensors: list[str], nodes: list[str]) -> list[Balance]:
            return list(await self.queries.balance.read(nodes, key.at_ns, None, None))

        return await _grouped(keys, lambda k: k.at_ns, read)


async def _grouped(
    keys: Sequence[Any],
    group_of: Callable[[Any], Hashable],
    read: Callable[[Any, list[str], list[str]], Awaitable[Sequence[T]]],
) -> list[T | BaseException]:
    """One `read` for all keys that differ in nothing but the name; it answers sensors, then nodes.

    One that fails does so for its own keys alone.
    """
    groups: dict[Hashable, dict[One, None]] = {}
    for key in keys:
        groups.setdefault(group_of(key), {})[key.one] = None
    found: dict[tuple[Hashable, One], T | BaseException] = {}
    first = {group_of(key): key for key in keys}
    for group, ones in groups.items():
        order = sorted(ones, key=lambda one: one.is_node)
        sensors = [one.name for one in order if not one.is_node]
        nodes = [one.name for one in order if one.is_node]
        try:
            answers: Sequence[T | BaseException] = await read(first[group], sensors, nodes)
        except Exception as error:
            answers = [error] * len(order)
        found |= {(group, one): answer for one, answer in zip(order, answers, strict=True)}
    return [found[group_of(key), key.one] for key in keys]
