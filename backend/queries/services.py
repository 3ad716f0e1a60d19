"""All query services, built from the ports."""

from __future__ import annotations

from dataclasses import dataclass, fields

from backend.core.clock import Clock
from backend.core.events import EventLog
from backend.core.ports import Bus, Counters, HealthBoard, LastValuesView, RollupState, TimeSeriesStore
from backend.inventory.model import Inventory
from backend.jobs.background_services import BackgroundServices
from backend.queries.balance import BalanceService
from backend.queries.devices import DeviceService
from backend.queries.energy import EnergyService
from backend.queries.history import HistoryReader
from backend.queries.labels import Labels
from backend.queries.live import LiveValues
from backend.queries.overview import OverviewService
from backend.queries.racks import RackService
from backend.queries.ratios import RatioService
from backend.queries.sensors import SensorService
from backend.queries.series import SeriesService
from backend.queries.usage import UsageService
from backend.queries.watermarks import Watermarks
from backend.settings import Settings
from backend.watch.service import EventService


@dataclass(slots=True)
class Queries:
    """The services behind the API. Do not keep one of them: a reload of the description replaces them all."""

    clock: Clock
    live: LiveValues
    bus: Bus
    labels: Labels
    sensors: SensorService
    series: SeriesService
    energy: EnergyService
    usage: UsageService
    ratios: RatioService
    balance: BalanceService
    racks: RackService
    overview: OverviewService
    devices: DeviceService
    events: EventService
    background: BackgroundServices

    def replace_with(self, other: Queries) -> None:
        """Answer as `other` does from now on."""
        for f in fields(self):
            setattr(self, f.name, getattr(other, f.name))

    @classmethod
    def build(
        cls,
        inventory: Inventory,
        store: TimeSeriesStore,
        state: RollupState,
        bus: Bus,
        last_values: LastValuesView,
        clock: Clock,
        settings: Settings,
        board: HealthBoard,
        counters: Counters,
        events: EventLog,
        background: BackgroundServices,
    ) -> Queries:
        """Build all services for one description."""
        live = LiveValues(last_values, inventory.sensors, settings.live_max_age_s)
        sensors = SensorService(inventory, live, clock)
        watermarks = Watermarks(state, clock)
        energy = EnergyService(inventory, live, store, watermarks, clock)
        usage = UsageService(inventory, sensors, store, watermarks, clock, energy)
        history = HistoryReader(store, watermarks, clock)
        return cls(
            clock=clock,
            live=live,
            bus=bus,
            labels=Labels(inventory),
            sensors=sensors,
            series=SeriesService(inventory, sensors, store, watermarks, clock),
            energy=energy,
            usage=usage,
            ratios=RatioService(inventory, store, watermarks, clock, settings),
            balance=BalanceService(inventory, energy, usage, watermarks, clock),
            racks=RackService(inventory, live, clock),
            overview=OverviewService(inventory, live, sensors, energy, history, clock, settings),
            devices=DeviceService(board, counters, clock, inventory.sensors),
            events=EventService(events, counters, clock),
            background=background,
        )
