"""How the devices fare that crawlers read."""

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
from backend.graphql.scalars import TimeNs
from backend.queries.labels import Labels

_MOST = 2**31 - 1


@strawberry.enum(description="How a device fares.")
class DeviceState(Enum):
    STARTING = member("starting", "It was not polled yet.")
    OK = member("ok", "It answered the last poll.")
    LOST = member("lost", "It did not answer the last poll, and is asked again after growing pauses.")
    REFUSED = member("refused", "Asking again is of no use: the description or the device must change.")
    UNHEARD = member("unheard", "Its crawler has not reported for 15 s; the other figures are its last.")


@strawberry.type(description="A group of sensors behind one connection, as its crawler sees it.")
class Device:
    name: strawberry.ID = strawberry.field(
        description="Unique name: method, address, and what the description calls it."
    )
    method: str = strawberry.field(description="How it is read: snmp, modbus, socomec, flukso.")
    crawler: str = strawberry.field(description="The crawler that reads it.")
    state: DeviceState = strawberry.field(description="How it fares.")
    sensors: list[strawberry.ID] = strawberry.field(description="Names of its sensors.")
    sensor_labels: list[str] = strawberry.field(description="Labels of its sensors, in the same order.")
    missing: list[strawberry.ID] = strawberry.field(
        description="Sensors that gave no value in the last poll that was answered."
    )
    missing_labels: list[str] = strawberry.field(
        description="Labels of the sensors in `missing`, in the same order."
    )
    period_seconds: float = strawberry.field(description="Seconds between two polls.")
    last_attempt: TimeNs | None = strawberry.field(description="When it was polled last; null before that.")
    last_success: TimeNs | None = strawberry.field(description="When it answered last; null if it never did.")
    next_attempt: TimeNs | None = strawberry.field(
        description="When it is polled next: later than a period away while it is left alone."
    )
    latency_seconds: float | None = strawberry.field(
        description="How long the last poll that was answered took."
    )
    polls: int = strawberry.field(description="Polls since its crawler began.")
    failures: int = strawberry.field(description="Polls that failed since its crawler began.")
    failures_in_a_row: int = strawberry.field(description="Polls that failed since it answered last.")
    error_rate: float = strawberry.field(description="Share of the last 60 polls that failed, 0 to 1.")
    ticks_skipped: int = strawberry.field(description="Polls left out because the one before took too long.")
    last_error: str = strawberry.field(description="Why the last failed poll failed; empty if none did.")
    waiting: int = strawberry.field(
        description="Readings of its crawler that are not acknowledged yet, on disk or in memory."
    )
    dropped: int = strawberry.field(description="Readings its crawler gave up for want of room.")


@strawberry.type(description="Devices, all of them or those that changed.")
class DeviceBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which has every device; false for what changed since."
    )
    devices: list[Device] = strawberry.field(description="The devices.", metadata=rules(cost=COUNTED_ABOVE))


@strawberry.type(description="How often a sensor was found at fault.")
class SensorErrors:
    sensor: strawberry.ID = strawberry.field(description="Name of the sensor.")
    sensor_label: str = strawberry.field(description="Label of the sensor.")
    count: int = strawberry.field(
        description="Looks, one every 20 s, that found the temperature sensor silent over 40 s."
    )
    first: TimeNs = strawberry.field(description="When it was found at fault first.")
    last: TimeNs = strawberry.field(description="When it was found at fault last.")


def _time(time_ns: int | None) -> TimeNs | None:
    return None if time_ns is None else TimeNs(time_ns)


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
        last_attempt=_time(device.last_attempt_ns),
        last_success=_time(device.last_success_ns),
        next_attempt=_time(device.next_attempt_ns),
        latency_seconds=device.latency_s,
        polls=min(device.polls, _MOST),
        failures=min(device.failures, _MOST),
        failures_in_a_row=min(device.failures_in_a_row, _MOST),
        error_rate=device.error_rate,
        ticks_skipped=min(device.ticks_skipped, _MOST),
        last_error=device.last_error,
        waiting=min(device.waiting, _MOST),
        dropped=min(device.dropped, _MOST),
    )


def to_errors(errors: health.SensorErrors, labels: Labels) -> SensorErrors:
    return SensorErrors(
        sensor=strawberry.ID(errors.sensor),
        sensor_label=labels.sensor(errors.sensor),
        count=min(errors.count, _MOST),
        first=TimeNs(errors.first_ns),
        last=TimeNs(errors.last_ns),
    )


@strawberry.type
class DeviceQuery:
    @query("The devices that crawlers read, by name.", right=Right.READ, cost=LONG_LIST)
    async def devices(self, info: Info) -> list[Device]:
        queries = info.context.queries
        return [to_device(device, queries.labels) for device in await queries.devices.all()]

    @query("One device by its name; null if no crawler reports it.", right=Right.READ)
    async def device(
        self, info: Info, name: Annotated[strawberry.ID, strawberry.argument(description="Its unique name.")]
    ) -> Device | None:
        queries = info.context.queries
        found = await queries.devices.find(name)
        return None if found is None else to_device(found, queries.labels)

    @query(
        "Sensors that were found at fault since their counters were reset, most errors first.",
        right=Right.READ,
    )
    async def sensor_errors(self, info: Info) -> list[SensorErrors]:
        queries = info.context.queries
        return [to_errors(errors, queries.labels) for errors in await queries.devices.sensor_errors()]


@strawberry.type
class DeviceSubscription:
    @subscription(
        "All devices at once, then those that changed, at most once a second.",
        right=Right.READ,
        cost=LONG_LIST,
    )
    async def device_health(self, info: Info) -> AsyncGenerator[DeviceBatch, None]:
        queries = info.context.queries
        async with aclosing(queries.devices.watch()) as batches:
            async for snapshot, devices in batches:
                yield DeviceBatch(snapshot=snapshot, devices=[to_device(d, queries.labels) for d in devices])
