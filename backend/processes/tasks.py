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
from backend.rollups.engine import RollupEngine
from backend.watch.error_counters import ReadTimes, SilenceCounter, times_from_memory, times_from_store
from backend.watch.judge import WatchedSensor
from backend.watch.silence import SilenceRule, live_rule
from backend.watch.watcher import ReadNewest, Watcher, newest_from_memory, newest_from_store
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

    def read_times(sensors: Sensors) -> ReadTimes:
        return (
            times_from_store(store, temperatures(sensors.values()))
            if live is None
            else times_from_memory(live)
        )

    def read_newest(sensors: Sensors) -> ReadNewest:
        return newest_from_store(store, sensors) if live is None else newest_from_memory(live, sensors)

    rule = live_rule(settings.live_max_age_s)

    def watched_sensors(sensors: Sensors) -> list[WatchedSensor]:
        return [watched_sensor(sensor, rule) for sensor in sensors.values()]

    sensors = base.inventory.sensors
    silence_counter = SilenceCounter(
        temperatures(sensors.values()), read_times(sensors), base.counters, clock
    )
    watcher = Watcher(
        watched_sensors(sensors),
        read_newest(sensors),
        store,
        base.state,
        base.events,
        clock,
        settings.stuck_hours,
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        silence_counter.update_description(temperatures(new.sensors.values()), read_times(new.sensors))
        watcher.update_description(watched_sensors(new.sensors), read_newest(new.sensors))

    base.description.on_update(update_description)
    services = Services(
        rollups=rollups,
        store=store,
        state=base.state,
        clock=clock,
        keep=keep_of(settings),
        silence_counter=silence_counter,
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


def watched_sensor(sensor: Sensor, rule: SilenceRule) -> WatchedSensor:
    """Return the parts of a sensor that decide about its events."""
    unit = unit_symbol(sensor.unit)
    return WatchedSensor(sensor.name, rule.limit_ns(sensor.poll_s), unit, PLAUSIBLE.get(unit), sensor.steady)
