"""Readiness checks and metric collectors of a process that answers queries."""

from __future__ import annotations

from collections.abc import Mapping

from backend.core.errors import TransientError
from backend.core.windows import Window
from backend.graphql.execution.schema_class import Schema
from backend.metrics import operations, readings
from backend.metrics.exposition import Collector
from backend.processes.web_services import WebServices
from backend.rest.health import Check


def readiness_checks(services: WebServices) -> Mapping[str, Check]:
    """Return the readiness checks by name."""
    return {
        "store": _store_check(services),
        "live": _live_check(services),
        "tasks": _tasks_check(services),
    }


def _store_check(services: WebServices) -> Check:
    async def check() -> object:
        watermarks = {w.value: await services.state.watermark(w) for w in Window}
        await services.store.latest([next(iter(services.inventory.sensors), "")])
        return {"rolled_up_to_ns": watermarks}

    return check


def _live_check(services: WebServices) -> Check:
    async def check() -> object:
        if not services.last_values.ready.is_set() or not services.bus.connected:
            raise TransientError("the live bus is not connected")
        return {"sensors": len(services.last_values.names)}

    return check


def _tasks_check(services: WebServices) -> Check:
    """Report which tasks are late. A late task is no failure: the check fails only if the tasks cannot be read."""

    async def check() -> object:
        late = [task.name for task in await services.queries.background.tasks.all() if task.late]
        return {"late": late}

    return check


def metric_collectors(services: WebServices, schema: Schema) -> list[Collector]:
    """Return the collectors of all metrics of a process that answers queries."""
    queries, background, fan_out = services.queries, services.queries.background, schema.fan_out
    return [
        readings.rollups(services.state, services.clock),
        readings.live(lambda: services.queries.live.view, lambda: services.bus.subscribers, services.clock),
        operations.devices(lambda: queries.devices.all(), lambda: queries.devices.sensor_errors()),
        operations.tasks(background.tasks.records, background.jobs.count),
        operations.graphql(
            schema.operations, lambda: fan_out.runs, lambda: fan_out.subscribers, schema.documents.lookups
        ),
        operations.process(services.settings.data_dir),
    ]
