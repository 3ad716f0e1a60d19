"""Metrics of operations: devices, GraphQL, periodic tasks, and the process itself."""

from __future__ import annotations

import math
import resource
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from backend.core.health import DeviceHealth, DeviceState, SensorErrors
from backend.core.jobs import ACTIVE, JobState
from backend.core.measure import Timing
from backend.core.tasks import TaskRecord
from backend.core.windows import NS_PER_SECOND
from backend.metrics.exposition import Collector, Family, Sample

_DEVICE = ("device", "method")
UP = Family("seduce_device_up", "gauge", "1 if the device answered its last poll, else 0.", _DEVICE)
LATENCY = Family("seduce_device_latency_seconds", "gauge", "Duration of the last answered poll.", _DEVICE)
POLLS = Family("seduce_device_polls_total", "counter", "Polls since the start of the crawler.", _DEVICE)
FAILURES = Family(
    "seduce_device_failures_total", "counter", "Failed polls since the start of the crawler.", _DEVICE
)
SUCCESS = Family(
    "seduce_device_last_success_timestamp_seconds",
    "gauge",
    "Time of the last answer, in seconds since the epoch.",
    _DEVICE,
)
MISSING = Family(
    "seduce_device_missing_sensors",
    "gauge",
    "Sensors without a value in the last answered poll.",
    _DEVICE,
)
WAITING = Family(
    "seduce_crawler_waiting_readings",
    "gauge",
    "Queued readings of the crawler: not yet acknowledged.",
    ("crawler",),
)
DROPPED = Family(
    "seduce_crawler_dropped_readings_total",
    "counter",
    "Readings that the crawler dropped: buffer or spool full, or push rejected.",
    ("crawler",),
)
ERRORS = Family(
    "seduce_sensor_errors_total",
    "counter",
    "Failed checks: every 20 s, +1 if the sensor has been silent for 40 s or two periods.",
    ("sensor",),
)
OPERATIONS = Family("seduce_graphql_operations_total", "counter", "GraphQL operations started.", ("type",))
GRAPHQL_ERRORS = Family("seduce_graphql_errors_total", "counter", "GraphQL errors, by code.", ("code",))
GRAPHQL_SECONDS = Family(
    "seduce_graphql_seconds", "histogram", "Duration of queries and mutations over HTTP.", ("type",)
)
OPERATION_SECONDS = Family(
    "seduce_graphql_operation_seconds",
    "histogram",
    "Duration by operation name; names beyond the first 100 share one label.",
    ("operation",),
)
WATCHERS = Family("seduce_graphql_subscriptions", "gauge", "Open subscriptions of clients.")
SHARED = Family(
    "seduce_graphql_shared_subscriptions", "gauge", "Distinct running subscriptions; equal ones run once."
)
RUNS = Family(
    "seduce_task_runs_total",
    "counter",
    "Finished runs of a periodic task in all processes.",
    ("task",),
)
TASK_FAILURES = Family("seduce_task_failures_total", "counter", "Failed runs of a periodic task.", ("task",))
TASK_SECONDS = Family("seduce_task_seconds", "histogram", "Duration of a run of a periodic task.", ("task",))
TASK_SUCCESS = Family(
    "seduce_task_last_success_timestamp_seconds",
    "gauge",
    "Start of the last successful run, in seconds since the epoch.",
    ("task",),
)
JOBS = Family("seduce_jobs", "gauge", "Unfinished recomputation jobs, by state.", ("state",))
CPU = Family("process_cpu_seconds_total", "counter", "CPU time of this process in seconds.")
MEMORY = Family("process_resident_memory_bytes", "gauge", "Resident memory of this process.")
DOCUMENTS = Family(
    "seduce_graphql_documents_total",
    "counter",
    "Lookups in the cache of parsed documents: hit or miss.",
    ("found",),
)
FREE = Family("seduce_data_free_bytes", "gauge", "Free space on the disk of the data folder.")
START = Family("process_start_time_seconds", "gauge", "Start of this process, in seconds since the epoch.")


class Operations(Protocol):
    """The counters of the GraphQL schema: operations and durations by type, errors by code."""

    started: Counter[str]
    errors: Counter[str]
    named: dict[str, Timing]

    @property
    def seconds(self) -> Mapping[str, Timing]: ...


def devices(
    all_devices: Callable[[], Awaitable[Sequence[DeviceHealth]]],
    sensor_errors: Callable[[], Awaitable[Sequence[SensorErrors]]],
) -> Collector:
    """Return the collector of devices, as their crawlers report them."""

    async def read() -> Iterable[Sample]:
        samples: list[Sample] = []
        crawlers: dict[str, DeviceHealth] = {}
        for device in await all_devices():
            samples += _device(device)
            crawlers[device.crawler] = device
        for crawler, device in sorted(crawlers.items()):
            samples += [(WAITING, (crawler,), device.waiting), (DROPPED, (crawler,), device.dropped)]
        return samples + [(ERRORS, (e.sensor,), e.count) for e in await sensor_errors()]

    families = (UP, LATENCY, POLLS, FAILURES, SUCCESS, MISSING, WAITING, DROPPED, ERRORS)
    return Collector("devices", families, read)


def _device(device: DeviceHealth) -> Iterable[Sample]:
    labels = (device.name, device.method)
    yield UP, labels, device.state is DeviceState.OK
    yield POLLS, labels, device.polls
    yield FAILURES, labels, device.failures
    yield MISSING, labels, len(device.missing)
    if device.latency_s is not None:
        yield LATENCY, labels, device.latency_s
    if device.last_success_ns is not None:
        yield SUCCESS, labels, device.last_success_ns / NS_PER_SECOND


def graphql(
    operations: Operations,
    shared: Callable[[], int],
    watchers: Callable[[], int],
    documents: Mapping[str, int] | None = None,
) -> Collector:
    """Return the collector of GraphQL operations."""

    async def read() -> Iterable[Sample]:
        return [
            *((OPERATIONS, (kind,), count) for kind, count in sorted(operations.started.items())),
            *((GRAPHQL_ERRORS, (code,), count) for code, count in sorted(operations.errors.items())),
            *((GRAPHQL_SECONDS, (kind,), timing) for kind, timing in sorted(operations.seconds.items())),
            *((OPERATION_SECONDS, (name,), timing) for name, timing in sorted(operations.named.items())),
            (WATCHERS, (), watchers()),
            (SHARED, (), shared()),
            *((DOCUMENTS, (result,), count) for result, count in sorted((documents or {}).items())),
        ]

    families = (OPERATIONS, GRAPHQL_ERRORS, GRAPHQL_SECONDS, OPERATION_SECONDS, WATCHERS, SHARED, DOCUMENTS)
    return Collector("graphql", families, read)


def tasks(
    records: Callable[[], Awaitable[Mapping[str, TaskRecord]]],
    jobs: Callable[[JobState], Awaitable[int]],
) -> Collector:
    """Return the collector of periodic tasks, from the task log of all processes, and of recomputation jobs."""

    async def read() -> Iterable[Sample]:
        samples: list[Sample] = []
        for task, record in sorted((await records()).items()):
            samples += [
                (RUNS, (task,), record.timing.count),
                (TASK_FAILURES, (task,), record.failures),
                (TASK_SECONDS, (task,), record.timing),
            ]
            if record.succeeded_ns is not None:
                samples.append((TASK_SUCCESS, (task,), record.succeeded_ns / NS_PER_SECOND))
        for state in (*ACTIVE, JobState.PAUSED):
            samples.append((JOBS, (state.value,), await jobs(state)))
        return samples

    return Collector("tasks", (RUNS, TASK_FAILURES, TASK_SECONDS, TASK_SUCCESS, JOBS), read)


_STARTED: Final = time.time()


def process(data: Path) -> Collector:
    """Return the collector of this process, with the standard names of Prometheus clients, and of the data disk."""

    async def read() -> Iterable[Sample]:
        return [
            (CPU, (), time.process_time()),
            (MEMORY, (), _resident_bytes()),
            (START, (), _STARTED),
            (FREE, (), _free_bytes(data)),
        ]

    return Collector("process", (CPU, MEMORY, START, FREE), read)


def _free_bytes(folder: Path) -> float:
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.nan


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
