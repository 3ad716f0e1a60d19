"""Build the push endpoints of a process that writes to the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.core.asgi import App
from backend.ingest.endpoints.cards import PATH as CARDS_PATH
from backend.ingest.endpoints.cards import cards_endpoint
from backend.ingest.endpoints.health import PATH as HEALTH_PATH
from backend.ingest.endpoints.health import health_endpoint
from backend.ingest.endpoints.readings import readings_endpoint
from backend.ingest.keys import CombinedKeys, ConfiguredKeys, DeviceAuth, Networks
from backend.ingest.service import Ingest
from backend.processes.receiver import RELAY_PATH
from backend.processes.shared import SharedServices
from backend.rest.gate import SameOrigin

INGEST_PATH: Final = "/ingest"


def build_push_endpoints(shared: SharedServices, ingest: Ingest) -> Mapping[str, App]:
    """Return the push endpoints by path, each with its check of device keys and networks.

    Raises `UserError` if the keys cannot be read.
    """
    settings = shared.settings
    keys = CombinedKeys(
        ConfiguredKeys.load(settings.device_keys, settings.device_keys_file), shared.device_keys
    )
    # Without any key only this machine is trusted: nothing else tells clients apart.
    crawlers = {"networks": Networks.none(), "networks_without_keys": Networks.loopback()}
    cards = Networks.parse(settings.card_networks)
    endpoints = {
        INGEST_PATH: DeviceAuth(readings_endpoint(ingest.accept_columns), keys, **crawlers),
        RELAY_PATH: DeviceAuth(readings_endpoint(ingest.accept_relayed), keys, **crawlers),
        CARDS_PATH: DeviceAuth(cards_endpoint(ingest), keys, cards),
        HEALTH_PATH: DeviceAuth(health_endpoint(shared.board, shared.clock), keys, **crawlers),
    }
    return {path: SameOrigin(endpoint, settings.address) for path, endpoint in endpoints.items()}
