"""From a card's push to what a page shows, through the real process."""

from __future__ import annotations

from pathlib import Path

import httpx2

from backend.core.windows import NS_PER_SECOND
from backend.graphql.scalars import format_time
from backend.processes.one_process import Services, create_app
from backend.processes.shared import Overrides
from backend.settings import Settings
from tests.support.graphql_client import connected
from tests.support.serve import serving
from tests.support.small_site import small_inventory


async def test_a_pushed_reading_is_live_at_once_and_then_in_the_series(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), Overrides(inventory=small_inventory()))
    async with (
        serving(app) as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
        connected(address) as socket,
    ):
        services: Services = app.state.services
        await socket.subscribe(
            'subscription { readings(types: ["temperature"]) { snapshot sensors values } }'
        )
        assert (await socket.next())["readings"] == {"snapshot": True, "sensors": [], "values": []}

        card = [
            {"sensor": "fr:on:t1", "t": "T", "v": "21.44"},
            {"sensor": "back1", "v": -127},
            {"sensor": "28:b8:fb:29:09:00:00:03", "v": 19},
        ]
        pushed = await client.post("/temperature/list", json=card)
        assert pushed.json() == {"status": "success", "update_count": 2}

        news = (await socket.next())["readings"]
        assert news == {"snapshot": False, "sensors": ["front1"], "values": [21.44]}

        await services.ingest.wait_until_drained()
        query = """query ($from: DateTime!) {
            described: series(sensors: ["front1"], from: $from, window: RAW, maxPoints: 9) { values }
            other: series(sensors: ["28b8fb2909000003"], from: $from) { unit window values }
            sensor(name: "28b8fb2909000003") { type location method latest { value stale } } }"""
        variables = {"from": format_time(services.clock.now_ns() - 3600 * NS_PER_SECOND)}
        answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
        assert answer["data"] == {
            "described": [{"values": [21.44]}],
            "other": [{"unit": "celsius", "window": "RAW", "values": [19.0]}],
            "sensor": {
                "type": "temperature",
                "location": "room exterior",
                "method": "temperature_push",
                "latest": {"value": 19.0, "stale": False},
            },
        }
