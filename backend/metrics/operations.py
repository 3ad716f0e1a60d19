"""What a process does in numbers: devices read, questions answered, tasks run, processor and memory used."""

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
UP = Family("seduce_device_up", "gauge", "1 where a device answered its last poll, else 0.", _DEVICE)
LATENCY = Family(
    "seduce_device_latency_seconds", "gauge", "How long the last poll that was answered took.", _DEVICE
)
POLLS = Family("seduce_device_polls_total", "counter", "Polls since the device's crawler began.", _DEVICE)
FAILURES = Family(
    "seduce_device_failures_total", "counter", "Polls that failed since the device's crawler began.", _DEVICE
)
SUCCESS = Family(
    "seduce_device_last_success_timestamp_seconds",
    "gauge",
    "When a device answered last, in seconds since the epoch.",
    _DEVICE,
)
MISSING = Family(
    "seduce_device_missing_sensors",
    "gauge",
    "Sensors that gave no value in the last poll that was answered.",
    _DEVICE,
)
WAITING = Family(
    "seduce_crawler_waiting_readings", "gauge", "Readings of a crawler not yet acknowledged.", ("crawler",)
)
DROPPED = Family(
    "seduce_crawler_dropped_readings_total",
    "counter",
    "Readings a crawler gave up for want of room.",
    ("crawler",),
)
ERRORS = Family(
    "seduce_sensor_errors_total",
    "counter",
    "Looks, one every 20 s, that found a temperature sensor silent over 40 s.",
    ("sensor",),
)
OPERATIONS = Family("seduce_graphql_operations_total", "counter", "GraphQL operations started.", ("type",))
GRAPHQL_ERRORS = Family("seduce_graphql_errors_total", "counter", "Errors answered, by code.", ("code",))
GRAPHQL_SECONDS = Family(
    "seduce_graphql_seconds", "histogram", "How long queries and mutations over HTTP take.", ("type",)
)
OPERATION_SECONDS = Family(
    "seduce_graphql_operation_seconds",
    "histogram",
    "How long they take by the name that the document gives the operation; names beyond the first 100 share one.",
    ("operation",),
)
WATCHERS = Family("seduce_graphql_subscriptions", "gauge", "Subscriptions that clients hold open.")
SHARED = Family(
    "seduce_graphql_shared_subscriptions", "gauge", "Different subscriptions that run; equal ones run once."
)
RUNS = Family(
    "seduce_task_runs_total",
    "counter",
    "Runs of a periodic task that have ended; the web process tells those of all processes.",
    ("task",),
)
TASK_FAILURES = Family(
    "seduce_task_failures_total", "counter", "Runs of a periodic task that failed.", ("task",)
)
TASK_SECONDS = Family(
    "seduce_task_seconds", "histogram", "How long a run of a periodic task takes.", ("task",)
)
TASK_SUCCESS = Family(
    "seduce_task_last_success_timestamp_seconds",
    "gauge",
    "When a run of a periodic task began that succeeded, in seconds since the epoch.",
    ("task",),
)
JOBS = Family("seduce_jobs", "gauge", "Recomputation jobs that have not ended, by state.", ("state",))
CPU = Family("process_cpu_seconds_total", "counter", "Processor time this process has used, in seconds.")
MEMORY = Family("process_resident_memory_bytes", "gauge", "Memory this process holds.")
DOCUMENTS = Family(
    "seduce_graphql_documents_total",
    "counter",
    "Documents that were parsed and validated before (hit), or had to be (miss).",
    ("found",),
)
FREE = Family("seduce_data_free_bytes", "gauge", "Room on the disk that holds the data folder.")
START = Family("process_start_time_seconds", "gauge", "When this process began, in seconds since the epoch.")


class Operations(Protocol):
    """What the GraphQL schema counts: operations and durations by type, errors by code."""

    started: Counter[str]
    errors: Counter[str]
    named: dict[str, Timing]

    @property
    def seconds(self) -> Mapping[str, Timing]: ...


def devices(
    all_devices: Callable[[], Awaitable[Sequence[DeviceHealth]]],
    sensor_errors: Callable[[], Awaitable[Sequence[SensorErrors]]],
) -> Collector:
    """Devices as their crawlers report them."""

    async def read() -> Iterable[Sample]:
        found: list[Sample] = []
        crawlers: dict[str, DeviceHealth] = {}
        for device in await all_devices():
            found += _device(device)
            crawlers[device.crawler] = device
        for crawler, device in sorted(crawlers.items()):
            found += [(WAITING, (crawler,), device.waiting), (DROPPED, (crawler,), device.dropped)]
        return found + [(ERRORS, (e.sensor,), e.count) for e in await sensor_errors()]

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
    """Questions answered."""

    async def read() -> Iterable[Sample]:
        return [
            *((OPERATIONS, (kind,), count) for kind, count in sorted(operations.started.items())),
            *((GRAPHQL_ERRORS, (code,), count) for code, count in sorted(operations.errors.items())),
            *((GRAPHQL_SECONDS, (kind,), timing) for kind, timing in sorted(operations.seconds.items())),
            *((OPERATION_SECONDS, (name,), timing) for name, timing in sorted(operations.named.items())),
            (WATCHERS, (), watchers()),
            (SHARED, (), shared()),
            *((DOCUMENTS, (found,), count) for found, count in sorted((documents or {}).items())),
        ]

    families = (OPERATIONS, GRAPHQL_ERRORS, GRAPHQL_SECONDS, OPERATION_SECONDS, WATCHERS, SHARED, DOCUMENTS)
    return Collector("graphql", families, read)


def tasks(
    records: Callable[[], Awaitable[Mapping[str, TaskRecord]]],
    jobs: Callable[[JobState], Awaitable[int]],
) -> Collector:
    """Periodic tasks as the processes that run them write them down, and the jobs they carry forward."""

    async def read() -> Iterable[Sample]:
        found: list[Sample] = []
        for task, record in sorted((await records()).items()):
            found += [
                (RUNS, (task,), record.timing.count),
                (TASK_FAILURES, (task,), record.failures),
                (TASK_SECONDS, (task,), record.timing),
            ]
            if record.succeeded_ns is not None:
                found.append((TASK_SUCCESS, (task,), record.succeeded_ns / NS_PER_SECOND))
        for state in (*ACTIVE, JobState.PAUSED):
            found.append((JOBS, (state.value,), await jobs(state)))
        return found

    return Collector("tasks", (RUNS, TASK_FAILURES, TASK_SECONDS, TASK_SUCCESS, JOBS), read)


_STARTED: Final = time.time()


def process(data: Path) -> Collector:
    """This process, under the names that all Prometheus clients use, and the disk below its data."""

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
