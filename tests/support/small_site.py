"""A data centre small enough to add up by hand, and everything that answers questions about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backend.bus.board import MemoryCounters, MemoryHealthBoard
from backend.bus.last_values import LastValues
from backend.bus.memory import MemoryBus
from backend.core.reading import Readings
from backend.core.tree import Tree, TreeNode
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import (
    Equipment,
    Inventory,
    Probe,
    PushSource,
    Rack,
    RoomArray,
    Sensor,
    Site,
    SnmpSource,
)
from backend.jobs.runner import JobRunner
from backend.queries.services import Queries
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.settings import Settings
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryWork
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.reference_store import ReferenceStore

DAY = 86_400
NOON = 1_700_000_000 // DAY * DAY + 12 * 3600
"""Seconds since the epoch at which the clock stands: noon, UTC."""

WATTMETERS = ("a_pdu-1", "a_pdu-2", "b_pdu-1", "fan", "sun")
PROBES = ("front1", "back1", "outside")


def sensor(name: str, unit: str = "W", **more: object) -> Sensor:
    values: dict[str, object] = {
        "sensor_type": "wattmeter" if unit == "W" else "temperature",
        "method": "snmp" if unit == "W" else "temperature_push",
        "group": "pdu" if unit == "W" else "temperature",
        "source": SnmpSource("127.0.0.1", "1.2", 1) if unit == "W" else PushSource(),
        "location": name.split("_pdu-")[0],
        "parent": "pdu-1" if unit == "W" else "card-1",
    }
    return Sensor(name=name, unit=unit, **(values | more))  # type: ignore[arg-type]


def tree(name: str, rows: Mapping[str, tuple[str | None, str | None]]) -> Tree:
    """From node id -> (parent, target), parents first."""
    nodes = tuple(
        TreeNode(
            id=node,
            name=node.title(),
            parent=parent,
            children=tuple(n for n, (p, _) in rows.items() if p == node),
            target=target,
        )
        for node, (parent, target) in rows.items()
    )
    return Tree(name, nodes[0].id, nodes)


def small_inventory() -> Inventory:
    sensors = [
        *(sensor(n) for n in WATTMETERS),
        sensor("front1", "celsius", tags=("inside_temperature",)),
        sensor("back1", "celsius"),
        sensor("outside", "celsius", tags=("outside_temperature",), location="room exterior"),
    ]
    return Inventory(
        sensors={s.name: s for s in sensors},
        consumption=tree(
            "consumption",
            {
                "datacenter": (None, None),
                "hardware_cluster": ("datacenter", None),
                "server_a": ("hardware_cluster", None),
                "a_1": ("server_a", "a_pdu-1"),
                "a_2": ("server_a", "a_pdu-2"),
                "server_b": ("hardware_cluster", "b_pdu-1"),
                "cooling": ("datacenter", "fan"),
                "spare": ("datacenter", None),
            },
        ),
        production=tree(
            "production", {"overall_production": (None, None), "solar": ("overall_production", "sun")}
        ),
        site=Site(
            "small", "here", (Rack("Z1.1", (Equipment("a", 3, "compute"), Equipment("b", 5, "switch"))),)
        ),
        probes=(Probe("Z1.1", "front", 3, "front1", ("a",)), Probe("Z1.1", "back", 3, "back1", ("a",))),
        room=(RoomArray("row", "Row", "", "room", "#123", "10%", "20%", ("fan",)),),
        commands=(),
    )


@dataclass
class SmallSite:
    """Parts on a clock that stands at NOON, with nothing read yet."""

    inventory: Inventory = field(default_factory=small_inventory)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON * NS_PER_SECOND))
    store: ReferenceStore = field(default_factory=ReferenceStore)
    state: MemoryRollupState = field(default_factory=MemoryRollupState)
    bus: MemoryBus = field(default_factory=MemoryBus)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.last_values = LastValues(self.bus, tuple(self.inventory.sensors))
        definitions = Definitions.of(
            self.inventory.sensors, (self.inventory.consumption, self.inventory.production)
        )
        self.rollups = RollupEngine(self.store, self.state, definitions, self.clock, 0.0)
        self.board = MemoryHealthBoard(self.clock)
        self.counters = MemoryCounters()
        beside = MemoryWork(self.inventory, self.store, self.state, self.clock)
        self.jobs, self.events, self.work = beside.jobs, beside.events, beside.work
        self.task_log, self.queue = beside.task_log, beside.queue
        self.job_runner = JobRunner(self.jobs, self.rollups, self.clock)
        self.queries = Queries.build(
            self.inventory,
            self.store,
            self.state,
            self.bus,
            self.last_values,
            self.clock,
            self.settings,
            self.board,
            self.counters,
            self.events,
            self.work,
        )

    def hear(self, values: Mapping[str, float], ago_s: float = 0) -> Readings:
        """Last values, read `ago_s` seconds ago."""
        at = self.clock.now_ns() - round(ago_s * NS_PER_SECOND)
        readings = Readings.from_rows(list(values), [at] * len(values), list(values.values()))
        self.last_values.merge(readings)
        return readings

    async def write(self, name: str, times_s: Iterable[float], values: Iterable[float]) -> None:
        """Raw readings at seconds since the epoch."""
        times = [round(t * NS_PER_SECOND) for t in times_s]
        await self.store.write(Readings.from_rows([name] * len(times), times, list(values)))

    async def roll_up(self) -> None:
        await self.rollups.learn()
        await self.rollups.step()
