"""Build the periodic tasks, the services that the API needs for them, and their in-process runner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from backend.core.ports import LastValuesView
from backend.core.quantity import PLAUSIBLE, unit_symbol
from backend.core.tasks import TaskQueue
from backend.core.windows import Window
from backend.inventory.model import Inventory, Sensor
from backend.jobs.background_services import BackgroundServices
from backend.jobs.runner import JobRunner
from backend.processes.rollup_engine import definitions_of
from backend.processes.shared import SharedServices
from backend.rollups.engine import RollupEngine
from backend.rollups.retention import RetentionPeriods
from backend.settings import Settings
from backend.watch.error_counters import ReadTimes, SilenceCounter, times_from_memory, times_from_store
from backend.watch.judge import WatchedSensor
from backend.watch.silence import SilenceRule, live_rule
from backend.watch.watcher import ReadNewest, Watcher, newest_from_memory, newest_from_store
from workers.runner import InProcessRunner, InProcessTaskQueue
from workers.runs import TaskExecutor
from workers.schedule import SCHEDULE
from workers.tasks import LogRetention, TaskServices, bind_tasks

Sensors: TypeAlias = Mapping[str, Sensor]


def build_runner(
    shared: SharedServices,
    rollups: RollupEngine,
    queue: InProcessTaskQueue | None = None,
    live: LastValuesView | None = None,
) -> InProcessRunner:
    """Return a runner of all periodic tasks in this process. `live` as in `build_task_executor`."""
    queue = queue or InProcessTaskQueue()
    executor = build_task_executor(shared, rollups, queue, live)
    tasks = {name: partial(executor.run, name) for name in executor.names}
    return InProcessRunner(SCHEDULE, tasks, queue=queue)


def build_task_executor(
    shared: SharedServices, rollups: RollupEngine, queue: TaskQueue, live: LastValuesView | None = None
) -> TaskExecutor:
    """Return the executor of all periodic tasks.

    live     last values of this process, to find silent sensors; if None, the store is read instead
    queue    requests the follow-up tasks of a run
    """
    settings, clock, store = shared.settings, shared.clock, shared.store

    rule = live_rule(settings.live_max_age_s)

    def read_times(sensors: Sensors) -> ReadTimes:
        if live is not None:
            return times_from_memory(live)
        return times_from_store(store, temperature_periods(sensors.values()))

    def read_newest(sensors: Sensors) -> ReadNewest:
        return newest_from_store(store, sensors) if live is None else newest_from_memory(live, sensors)

    def watched_sensors(sensors: Sensors) -> list[WatchedSensor]:
        return [watched_sensor(sensor, rule) for sensor in sensors.values()]

    sensors = shared.inventory.sensors
    silence_counter = SilenceCounter(
        temperature_periods(sensors.values()), read_times(sensors), shared.counters, clock
    )
    watcher = Watcher(
        watched_sensors(sensors),
        read_newest(sensors),
        store,
        shared.state,
        shared.events,
        clock,
        settings.stuck_hours,
    )

    async def update_description(_: Inventory, new: Inventory) -> None:
        periods = temperature_periods(new.sensors.values())
        silence_counter.update_description(periods, read_times(new.sensors))
        watcher.update_description(watched_sensors(new.sensors), read_newest(new.sensors))

    shared.description.on_update(update_description)
    services = TaskServices(
        rollups=rollups,
        store=store,
        state=shared.state,
        clock=clock,
        keep=retention_of(settings),
        silence_counter=silence_counter,
        watcher=watcher,
        jobs=JobRunner(shared.jobs, rollups, clock),
        log_retention=LogRetention(
            shared.jobs, shared.events, settings.job_retention_days, settings.event_retention_days
        ),
        outbox_sender=shared.accounts.outbox_sender,
    )
    return TaskExecutor(bind_tasks(services), shared.task_log, clock, shared.leases, queue)


def build_background_services(
    shared: SharedServices, queue: TaskQueue, schedule: Mapping[str, float] = SCHEDULE
) -> BackgroundServices:
    """Return the services by which the API shows tasks and manages recomputation jobs."""
    inventory = shared.inventory
    return BackgroundServices.build(
        jobs=shared.jobs,
        store=shared.store,
        state=shared.state,
        definitions=definitions_of(inventory),
        trees=(inventory.consumption, inventory.production),
        clock=shared.clock,
        delay_s=shared.settings.rollup_delay_s,
        log=shared.task_log,
        queue=queue,
        schedule=schedule,
    )


def retention_of(settings: Settings) -> RetentionPeriods:
    """Return the retention of raw readings and of each roll-up window, as the settings give them."""
    return RetentionPeriods(
        settings.retention_raw_days,
        {
            Window.S30: settings.retention_30s_days,
            Window.M1: settings.retention_1m_days,
            Window.H1: settings.retention_1h_days,
            Window.D1: settings.retention_1d_days,
        },
    )


def temperature_periods(sensors: Iterable[Sensor]) -> dict[str, float]:
    """Return the periods of the temperature sensors in seconds, by name. Their silence is counted."""
    return {s.name: s.poll_s for s in sensors if s.sensor_type == "temperature"}


def watched_sensor(sensor: Sensor, rule: SilenceRule) -> WatchedSensor:
    """Return the parts of a sensor that decide about its events."""
    unit = unit_symbol(sensor.unit)
    return WatchedSensor(
        name=sensor.name,
        silent_after_ns=rule.limit_ns(sensor.poll_s),
        unit=unit,
        range=PLAUSIBLE.get(unit),
        steady=sensor.steady,
        title=sensor.title,
    )
