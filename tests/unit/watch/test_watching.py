"""Events of sensors: silent, back, out of range, stuck. Repeated checks record each event once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from backend.core.errors import TransientError
from backend.core.events import EventFilter, EventKind
from backend.core.quantity import ARDUINO_CELSIUS
from backend.core.reading import Reading, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.rollups.engine import RollupEngine
from backend.watch.judge import WatchedSensor
from backend.watch.silence import SITE_LIMIT_NS
from backend.watch.watcher import Watcher, find_stuck_values, newest_from_store
from tests.support.manual_clock import ManualClock
from tests.support.memory_jobs import MemoryEvents
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.reference_store import ReferenceStore
from tests.support.rollup_day import DEFINITIONS

S, H = NS_PER_SECOND, Window.H1.ns
NOON = 1_700_049_600 * S
MINUTE = 60


class Room:
    """Two sensors, a clock, and a watcher that can be replaced as after a restart."""

    def __init__(self) -> None:
        self.clock, self.store, self.state = ManualClock(NOON), ReferenceStore(), MemoryRollupState()
        self.events = MemoryEvents(self.clock)
        self.newest: dict[str, Reading] = {}
        self.restart()

    def restart(self, *names: str, steady: bool = False) -> None:
        watched = [
            WatchedSensor(n, 60 * S, "°C", ARDUINO_CELSIUS, steady) for n in names or ("probe", "other")
        ]

        async def newest() -> Mapping[str, Reading]:
            return self.newest

        self.watcher = Watcher(watched, newest, self.store, self.state, self.events, self.clock, 3)

    def hear(self, **values: float) -> None:
        for name, value in values.items():
            self.newest[name] = Reading(name, self.clock.now_ns(), value)

    async def reported(self) -> list[tuple[str, EventKind, bool]]:
        """Check once and return all events, oldest first: sensor, kind, and whether it is open."""
        await self.watcher.check()
        result = await self.events.page(EventFilter(), 99)
        return [(event.sensor, event.kind, event.ended_ns is None) for event in reversed(result)]


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_sensor_stops_and_resumes_reporting(room: Room) -> None:
    room.hear(probe=20.0, other=20.0)
    assert await room.reported() == []
    room.clock.advance(61)
    room.hear(other=20.5)
    assert await room.reported() == [("probe", EventKind.SILENT, True)]
    room.clock.advance(539)
    room.hear(other=21.0)
    assert await room.reported() == [("probe", EventKind.SILENT, True)], "the event is recorded once"
    room.hear(probe=22.0)
    assert await room.reported() == [("probe", EventKind.SILENT, False), ("probe", EventKind.BACK, False)]
    back, silent = await room.events.page(EventFilter(), 9)
    assert (silent.at_ns, silent.ended_ns) == (NOON, NOON + 600 * S)
    assert (silent.message, silent.value) == ("probe stopped reporting.", 20.0)
    assert (back.at_ns, back.message) == (NOON + 600 * S, "probe resumed reporting after 10 min.")


async def test_a_restart_neither_loses_nor_repeats_an_event(room: Room) -> None:
    room.hear(probe=20.0, other=20.0)
    room.clock.advance(61)
    room.hear(other=20.5)
    await room.reported()
    room.clock.advance(600)
    room.restart()
    room.hear(other=21.0)
    assert await room.reported() == [("probe", EventKind.SILENT, True)]
    room.hear(probe=20.0)
    assert (await room.reported())[-1] == ("probe", EventKind.BACK, False)


async def test_time_before_the_first_check_is_not_silence(room: Room) -> None:
    room.hear(probe=20.0)
    room.clock.advance(3600)
    room.restart()
    room.hear(other=20.0)
    assert await room.reported() == []
    room.clock.advance(61)
    room.hear(other=20.0)
    assert await room.reported() == [("probe", EventKind.SILENT, True)]


async def test_a_silent_site_starts_no_events(room: Room) -> None:
    room.hear(probe=20.0, other=20.0)
    room.clock.advance(3600)
    assert await room.reported() == []
    room.hear(other=20.0)
    assert await room.reported() == [("probe", EventKind.SILENT, True)]
    assert SITE_LIMIT_NS < 60 * S


async def test_a_sensor_that_never_reported_has_no_events(room: Room) -> None:
    room.clock.advance(3600)
    room.hear(other=20.0)
    assert await room.reported() == []


async def test_an_implausible_value_is_an_event(room: Room) -> None:
    room.hear(probe=85.0, other=20.0)
    assert await room.reported() == [("probe", EventKind.OUT_OF_RANGE, True)]
    room.clock.advance(10)
    room.hear(probe=84.0)
    assert await room.reported() == [("probe", EventKind.OUT_OF_RANGE, True)]
    room.hear(probe=20.0)
    assert await room.reported() == [("probe", EventKind.OUT_OF_RANGE, False)]
    (event,) = await room.events.page(EventFilter(), 9)
    assert event.message == "probe reads 85 °C; plausible is -10 to 75 °C."
    assert (event.at_ns, event.ended_ns, event.value) == (NOON, NOON + 10 * S, 85.0)


async def test_an_undescribed_sensor_has_no_open_events(room: Room) -> None:
    room.hear(probe=85.0, other=20.0)
    await room.reported()
    room.restart("other")
    assert await room.reported() == [("probe", EventKind.OUT_OF_RANGE, False)]


async def rolled(values: Mapping[str, np.ndarray]) -> tuple[ReferenceStore, MemoryRollupState]:
    """A reading a minute over six hours before NOON, rolled up."""
    store, state = ReferenceStore(), MemoryRollupState()
    times = NOON - 6 * H + np.arange(6 * MINUTE) * MINUTE * S
    for name, column in values.items():
        here = ~np.isnan(column)
        await store.write(Readings((name,), np.zeros(here.sum(), np.int32), times[here], column[here]))
    await RollupEngine(store, state, DEFINITIONS, ManualClock(NOON), 0.0).step()
    return store, state


async def test_stuck_values_are_found_in_hourly_windows() -> None:
    same = np.full(6 * MINUTE, 21.5)
    early = np.where(np.arange(6 * MINUTE) < 2 * MINUTE, 21.0, same)
    late = np.where(np.arange(6 * MINUTE) == 5 * MINUTE, 21.0, same)
    gap = np.where(np.arange(6 * MINUTE) // MINUTE == 4, np.nan, same)
    store, _ = await rolled(
        {"probe": same, "plug_1": early, "plug_2": late, "sun": np.zeros(6 * MINUTE), "battery": gap}
    )
    result = await find_stuck_values(store, list(DEFINITIONS.sensors), NOON, 3)
    assert set(result) == {"probe", "plug_1"}, (
        "not a value that changed, is 0, or has an hour without readings"
    )
    assert (result["probe"].value, result["probe"].since_ns) == (21.5, NOON - 3 * H)


async def test_a_stuck_sensor_is_an_event_until_its_value_changes(room: Room) -> None:
    room.store, room.state = await rolled({"probe": np.full(6 * MINUTE, 21.5)})
    room.restart()
    room.hear(probe=21.5, other=20.0)
    assert await room.reported() == [("probe", EventKind.STUCK, True)]
    (event,) = await room.events.open()
    assert (event.at_ns, event.message) == (
        NOON - 3 * H,
        "probe has read 21.5 °C without change for 3 hours.",
    )
    assert await room.reported() == [("probe", EventKind.STUCK, True)]
    room.hear(probe=21.6)
    assert await room.reported() == [("probe", EventKind.STUCK, False)]


async def test_a_steady_sensor_is_never_stuck(room: Room) -> None:
    room.store, room.state = await rolled({"probe": np.full(6 * MINUTE, 21.5)})
    room.restart(steady=True)
    room.hear(probe=21.5, other=20.0)
    assert await room.reported() == []
    room.restart()
    assert await room.reported() == [("probe", EventKind.STUCK, True)]
    # As after a reload of the description that says so.
    room.restart(steady=True)
    assert await room.reported() == [("probe", EventKind.STUCK, False)]


async def test_stuck_values_are_read_once_per_rolled_up_hour(room: Room) -> None:
    room.store, room.state = await rolled({"probe": np.full(6 * MINUTE, 21.5)})
    room.restart()
    room.hear(probe=21.5)
    await room.reported()
    room.store.down = True
    await room.reported()
    await room.state.set_watermark(Window.H1, NOON + H)
    with pytest.raises(TransientError):
        await room.watcher.check()


async def test_readings_come_from_the_store_without_a_live_view() -> None:
    store, _ = await rolled({"probe": np.full(6 * MINUTE, 21.5)})
    assert await newest_from_store(store, ["probe", "sun"])() == {
        "probe": Reading("probe", NOON - MINUTE * S, 21.5)
    }
