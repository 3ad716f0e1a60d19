"""The health of the devices that crawlers poll."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import health
from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.execution.rules import COUNTED_ABOVE, LONG_LIST, rules
from backend.graphql.field import member, query, subscription
from backend.graphql.scalars import MAX_INT, TimeNs, optional_time
from backend.queries.labels import Labels


@strawberry.enum(description="The state of a device.")
class DeviceState(Enum):
    STARTING = member("starting", "Not polled yet.")
    OK = member("ok", "The device answered the last poll.")
    LOST = member("lost", "The device did not answer the last poll. The crawler retries with growing delays.")
    REFUSED = member("refused", "Retries cannot succeed: the site description or the device must change.")
    UNHEARD = member(
        "unheard",
        "The crawler of the device has not reported for 15 s. The other fields are from its last report.",
    )


@strawberry.type(description="A group of sensors behind one connection, as its crawler reports it.")
class Device:
    name: strawberry.ID = strawberry.field(
        description="Unique name: protocol, address, and name in the site description."
    )
    method: str = strawberry.field(description="Protocol: snmp, modbus, socomec or flukso.")
    crawler: str = strawberry.field(description="The crawler that polls it.")
    state: DeviceState = strawberry.field(description="State of the device.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of its sensors.")
    sensor_labels: list[str] = strawberry.field(description="Labels of its sensors, in the same order.")
    missing: list[strawberry.ID] = strawberry.field(
        description="Sensors without a value in the last answered poll."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )
    period_seconds: float = strawberry.field(description="Seconds between two polls.")
    last_attempt: TimeNs | None = strawberry.field(
        description="Time of the last poll; null before the first."
    )
    last_success: TimeNs | None = strawberry.field(
        description="Time of the last response; null if it never responded."
    )
    next_attempt: TimeNs | None = strawberry.field(
        description="Time of the next poll. More than a period away after failures."
    )
    latency_seconds: float | None = strawberry.field(
        description="Duration of the last answered poll in seconds; null before the first."
    )
    polls: int = strawberry.field(description="Number of polls since the start of its crawler.")
    failures: int = strawberry.field(description="Number of failed polls since the start of its crawler.")
    failures_in_a_row: int = strawberry.field(description="Number of failed polls since the last response.")
    error_rate: float = strawberry.field(description="Share of the last 60 polls that failed, 0 to 1.")
    ticks_skipped: int = strawberry.field(
        description="Number of polls that were skipped because the previous one took too long."
    )
    last_error: str = strawberry.field(description="The error of the last failed poll; empty if none failed.")
    waiting: int = strawberry.field(
        description="Number of readings of its crawler that are queued on disk or in memory, without acknowledgement."
    )
    dropped: int = strawberry.field(
        description="Number of readings that its crawler dropped: buffer or spool full, or push rejected."
    )


@strawberry.type(description="All devices, or the devices that changed.")
class DeviceBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which contains every device; false for later batches, which contain "
        "changes."
    )
    devices: list[Device] = strawberry.field(description="The devices.", metadata=rules(cost=COUNTED_ABOVE))


@strawberry.type(description="The error counter of a sensor.")
class SensorErrors:
    sensor: strawberry.ID = strawberry.field(description="Name of the sensor.")
    sensor_label: str = strawberry.field(description="Label of the sensor.")
    count: int = strawberry.field(
        description="Failed checks: every 20 s, +1 if the sensor has been silent for 40 s or two periods."
    )
    first: TimeNs = strawberry.field(description="Time of the first error.")
    last: TimeNs = strawberry.field(description="Time of the last error.")


def to_device(device: health.DeviceHealth, labels: Labels) -> Device:
    return Device(
        name=strawberry.ID(device.name),
        method=device.method,
        crawler=device.crawler,
        state=DeviceState(device.state.value),
        sensors=[strawberry.ID(s) for s in device.sensors],
        sensor_labels=labels.sensors(device.sensors),
        missing=[strawberry.ID(s) for s in device.missing],
        missing_labels=labels.sensors(device.missing),
        period_seconds=device.period_s,
        last_attempt=optional_time(device.last_attempt_ns),
        last_success=optional_time(device.last_success_ns),
        next_attempt=optional_time(device.next_attempt_ns),
        latency_seconds=device.latency_s,
        polls=min(device.polls, MAX_INT),
        failures=min(device.failures, MAX_INT),
        failures_in_a_row=min(device.failures_in_a_row, MAX_INT),
        error_rate=device.error_rate,
        ticks_skipped=min(device.ticks_skipped, MAX_INT),
        last_error=device.last_error,
        waiting=min(device.waiting, MAX_INT),
        dropped=min(device.dropped, MAX_INT),
    )


def to_errors(errors: health.SensorErrors, labels: Labels) -> SensorErrors:
    return SensorErrors(
        sensor=strawberry.ID(errors.sensor),
        sensor_label=labels.sensor(errors.sensor),
        count=min(errors.count, MAX_INT),
        first=TimeNs(errors.first_ns),
        last=TimeNs(errors.last_ns),
    )


@strawberry.type
class DeviceQuery:
    @query("All devices that crawlers poll, by name.", right=Right.READ, cost=LONG_LIST)
    async def devices(self, info: Info) -> list[Device]:
        queries = info.context.queries
        return [to_device(device, queries.labels) for device in await queries.devices.all()]

    @query("One device by its name; null if no crawler reports it.", right=Right.READ)
    async def device(
        self, info: Info, name: Annotated[strawberry.ID, strawberry.argument(description="Its unique name.")]
    ) -> Device | None:
        queries = info.context.queries
        device = await queries.devices.find(name)
        return None if device is None else to_device(device, queries.labels)

    @query(
        "Sensors with errors since their counters were reset, most errors first.",
        right=Right.READ,
    )
    async def sensor_errors(self, info: Info) -> list[SensorErrors]:
        queries = info.context.queries
        return [to_errors(errors, queries.labels) for errors in await queries.devices.sensor_errors()]


@strawberry.type
class DeviceSubscription:
    @subscription(
        "All devices at once, then changes, at most once a second.",
        right=Right.READ,
        cost=LONG_LIST,
    )
    async def device_health(self, info: Info) -> AsyncGenerator[DeviceBatch, None]:
        queries = info.context.queries
        async with aclosing(queries.devices.watch()) as batches:
            async for snapshot, devices in batches:
                yield DeviceBatch(snapshot=snapshot, devices=[to_device(d, queries.labels) for d in devices])
