"""What the periodic tasks are put together from, and what the API needs to look after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from backend.core.ports import LastValuesView
from backend.core.quantity import PLAUSIBLE, unit_symbol
from backend.core.tasks import TaskQueue
from backend.inventory.model import Inventory, Sensor
from backend.jobs.runner import JobRunner
from backend.jobs.work import Work
from backend.processes.shared import Base, definitions_of, keep_of, temperatures
from backend.queries.live import silent_after_ns
from backend.rollups.engine import RollupEngine
from backend.watch.error_counters import Heard, Unresponsive, heard_in, heard_live
from backend.watch.judge import Watched
from backend.watch.watcher import Newest, Watcher, newest_in, newest_live
from workers.runs import TaskRuns
from workers.schedule import SCHEDULE
from workers.tasks import History, Services, bind

Sensors: TypeAlias = Mapping[str, Sensor]


def build_tasks(
    base: Base, rollups: RollupEngine, queue: TaskQueue, live: LastValuesView | None = None
) -> TaskRuns:
    """All tasks. Sensors are looked at in the last values of this process, or without them in the store.

    `queue` reaches whoever runs them.
    """
    settings, clock, store = base.settings, base.clock, base.store

    def heard(sensors: Sensors) -> Heard:
        return heard_in(store, temperatures(sensors.values())) if live is None else heard_live(live)

    def newest(sensors: Sensors) -> Newest:
        return newest_in(store, sensors) if live is None else newest_live(live, sensors)

    def all_watched(sensors: Sensors) -> list[Watched]:
        return [watched(sensor, settings.live_max_age_s) for sensor in sensors.values()]

    sensors = base.inventory.sensors
    unresponsive = Unresponsive(temperatures(sensors.values()), heard(sensors), base.counters, clock)
    watcher = Watcher(
        all_watched(sensors), newest(sensors), store, base.state, base.events, clock, settings.stuck_hours
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        unresponsive.update_description(temperatures(new.sensors.values()), heard(new.sensors))
        watcher.update_description(all_watched(new.sensors), newest(new.sensors))

    base.description.on_update(update_description)
    services = Services(
        rollups=rollups,
        store=store,
        state=base.state,
        clock=clock,
        keep=keep_of(settings),
        unresponsive=unresponsive,
        watcher=watcher,
        jobs=JobRunner(base.jobs, rollups, clock),
        history=History(base.jobs, base.events, settings.job_retention_days, settings.event_retention_days),
        outbox_sender=base.accounts.outbox_sender,
    )
    return TaskRuns(bind(services), base.task_log, clock, base.leases, queue)


def build_work(base: Base, queue: TaskQueue, schedule: Mapping[str, float] = SCHEDULE) -> Work:
    inventory = base.inventory
    return Work.build(
        jobs=base.jobs,
        store=base.store,
        state=base.state,
        definitions=definitions_of(inventory),
        trees=(inventory.consumption, inventory.production),
        clock=base.clock,
        delay_s=base.settings.rollup_delay_s,
        log=base.task_log,
        queue=queue,
        schedule=schedule,
    )


def watched(sensor: Sensor, live_max_age_s: float) -> Watched:
    unit = unit_symbol(sensor.unit)
    silent_after = silent_after_ns(sensor, live_max_age_s)
    return Watched(sensor.name, silent_after, unit, PLAUSIBLE.get(unit), sensor.steady)
