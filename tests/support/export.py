"""The export over a small site."""

from __future__ import annotations

from backend.queries.export import ExportService
from backend.queries.rollup_export import RollupExportService
from backend.rest.export import ExportEndpoint
from tests.support.small_site import SmallSite


def export_door(site: SmallSite, **more: float) -> ExportEndpoint:
    readings = ExportService(site.inventory.sensors, site.store)
    rolled = RollupExportService(site.inventory, site.queries.sensors, site.queries.series, site.clock)
    return ExportEndpoint(readings, rolled, **more)  # type: ignore[arg-type]
