"""The metrics of a whole process, compared with their documentation; and the text format."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from backend.core.errors import TransientError
from backend.core.measure import BOUNDS_S, Timing
from backend.metrics.exposition import CONTENT_TYPE, Collector, Family, Metrics, Sample
from backend.processes.one_process import create_app, run_crawlers
from backend.processes.shared import Overrides
from backend.rest.metrics import metrics_route
from backend.settings import Settings
from scripts import metrics_doc
from tests.support.serve import serving
from tests.support.small_site import small_inventory

LINE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (NaN|[+-]?Inf|-?[0-9][0-9.e+-]*)')


def samples(page: str) -> dict[str, float]:
    """Name with labels -> value; a line that is not in the format fails the test."""
    values = {}
    for line in page.splitlines():
        if not line.startswith("# "):
            match = LINE.fullmatch(line)
            assert match, line
            values[match[1] + (match[2] or "")] = float(match[3])
    return values


def test_the_page_is_written_from_the_code() -> None:
    assert metrics_doc.PAGE.read_text() == metrics_doc.page(), "run python -m scripts.metrics_doc"


async def test_a_process_shows_every_metric_of_the_page_and_no_other(tmp_path: Path) -> None:
    parts = Overrides(inventory=small_inventory(), page=tmp_path)
    app = create_app(Settings(data_dir=tmp_path / "var"), parts, run_crawlers)
    async with (
        serving(app) as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
    ):
        body = {"sensors": ["fan", "nope", "front1"], "values": [12.5, 1, None]}
        assert (await client.post("/ingest", json=body)).json()["update_count"] == 1
        await app.state.services.ingest.wait_until_drained()
        for query in ("{ sensorTypes { name } }", "{ nonsense }", "{"):
            await client.post("/graphql", json={"query": query})
        async with asyncio.timeout(30):
            while not await app.state.services.board.devices():
                await asyncio.sleep(0.01)
            while not app.state.services.runner.stats["roll_up"].timing.count:
                await asyncio.sleep(0.01)
        await app.state.services.counters.count(["front1"], 1)
        answer = await client.get("/metrics")
        assert answer.headers["content-type"] == CONTENT_TYPE
        proxied = await client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
        assert proxied.status_code == 403
    helped = re.findall(r"^# HELP (\S+) \S", answer.text, re.MULTILINE)
    assert len(set(helped)) == len(helped)
    documented = re.findall(r"^\| `(\w+)` \|", metrics_doc.PAGE.read_text(), re.MULTILINE)
    assert set(helped) == set(documented)

    values = samples(answer.text)
    assert values["seduce_ingest_readings_accepted_total"] == 1
    assert values['seduce_ingest_readings_rejected_total{reason="unknown sensor"}'] == 1
    assert values['seduce_ingest_readings_rejected_total{reason="value is not a number"}'] == 1
    assert values["seduce_store_readings_written_total"] == 1
    assert values["seduce_store_write_seconds_count"] == 1
    assert values["seduce_spool_readings"] == 0
    assert values["seduce_sensors"] == 8
    assert values["seduce_bus_subscribers"] >= 1
    assert values['seduce_graphql_operations_total{type="query"}'] == 3
    assert values['seduce_graphql_errors_total{code="BAD_USER_INPUT"}'] == 2
    assert values['seduce_graphql_seconds_count{type="query"}'] == 1  # the others did not run
    assert values['seduce_graphql_documents_total{found="miss"}'] == 3
    assert values['seduce_task_runs_total{task="roll_up"}'] >= 1
    assert values['seduce_sensor_errors_total{sensor="front1"}'] == 1
    assert any(name.startswith("seduce_device_up{") for name in values)
    assert all(
        values[f'seduce_metrics_source_up{{source="{s}"}}'] == 1 for s in ("ingest", "rollups", "devices")
    )


async def test_metrics_are_refused_to_other_machines() -> None:
    async def render() -> str:
        return "secret"

    app = Starlette(routes=[metrics_route(render, CONTENT_TYPE)])
    for host, status in (("127.0.0.1", 200), ("::1", 200), ("10.0.0.7", 403), ("nonsense", 403)):
        transport = httpx2.ASGITransport(app=app, client=(host, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/metrics")
            assert (answer.status_code, "secret" in answer.text) == (status, status == 200)
            assert (await client.post("/metrics")).status_code == 405


async def test_a_failing_source_removes_only_its_own_metrics() -> None:
    one, other = Family("one", "gauge", "1."), Family("other", "gauge", "2.")

    async def here() -> Iterable[Sample]:
        return [(one, (), 1.5)]

    async def away() -> Iterable[Sample]:
        raise TransientError("the database is down")

    page = await Metrics([Collector("a", (one,), here), Collector("b", (other,), away)]).render()
    assert samples(page) == {
        "one": 1.5,
        'seduce_metrics_source_up{source="a"}': 1,
        'seduce_metrics_source_up{source="b"}': 0,
    }
    with pytest.raises(ValueError, match="two metrics have the same name"):
        Metrics([Collector("a", (one,), here), Collector("b", (one,), here)])


async def test_labels_are_escaped_and_histograms_add_up() -> None:
    texts = Family("texts", "gauge", "Back\\slash.", ("text",))
    took = Family("took", "histogram", "How long.", ("what",))
    timing = Timing()
    for seconds in (0.001, 0.0011, 0.3, 99.0):
        timing.observe(seconds)
    with pytest.raises(KeyError), timing.measure():
        raise KeyError

    async def read() -> Iterable[Sample]:
        return [(texts, ('a "b" \\ \n c',), float("nan")), (took, ("x",), timing)]

    page = await Metrics([Collector("a", (texts, took), read)]).render()
    assert r'texts{text="a \"b\" \\ \n c"} NaN' in page
    assert "# HELP texts Back\\\\slash.\n" in page
    values = samples(page)
    counts = [values[f'took_bucket{{le="{b:g}",what="x"}}'] for b in BOUNDS_S]
    assert counts == sorted(counts)
    assert values['took_bucket{le="0.5",what="x"}'] == 4  # with the one that failed at once
    assert values['took_bucket{le="+Inf",what="x"}'] == values['took_count{what="x"}'] == 5
    assert values['took_sum{what="x"}'] == pytest.approx(99.3021, abs=0.01)
