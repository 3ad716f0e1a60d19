"""`make demo`, from the first start to the second."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.demo import ROOT, Demo, LogIn

QUERY = """
query($from: DateTime!) {
  overview { consumption { value coverage } sensorsReporting sensorsTotal }
  series(nodes: ["datacenter"], from: $from, window: M1) { timestamps values }
  sensor(name: "ecotype-1_pdu-Z1.10") { latest { ageSeconds } }
}
"""


def ask(demo: Demo, hours: float) -> dict[str, Any]:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - hours * 3600))
    body = {"query": QUERY, "variables": {"from": since}}
    with demo.login.client(demo.url) as client:
        answer = client.post("/graphql", json=body).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


@pytest.mark.slow
def test_it_starts_with_a_past_stops_cleanly_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Demo(tmp_path, days=0.1)
    data = ask(first, 2.4)
    assert data["overview"]["consumption"]["value"] > 1000
    past = data["series"][0]
    measured = [t for t, v in zip(past["timestamps"], past["values"], strict=True) if v is not None]
    assert len(measured) > 2.2 * 60, "most of the history is rolled up when the page opens"
    assert first.interrupt() == 0, "".join(first.log)
    assert not any("Traceback" in line or "leaked" in line for line in first.log), "".join(first.log)

    login_file = tmp_path / "login.json"
    assert stat.S_IMODE(login_file.stat().st_mode) == 0o600
    second = Demo(tmp_path, days=0.1)
    try:
        assert second.login == first.login
        assert httpx.post(f"{second.url}/graphql", json={"query": "{ sensors { totalCount } }"}).json()[
            "errors"
        ]
        assert not any("Generating history" in line for line in second.log)
        series = ask(second, 2.4)["series"][0]
        now = dict(zip(series["timestamps"], series["values"], strict=True))
        was = dict(zip(past["timestamps"], past["values"], strict=True))
        for time_ms in measured[5:-5]:
            assert now[time_ms] == was[time_ms]
    finally:
        assert second.interrupt() == 0, "".join(second.log)


def test_the_notebook_snippet_of_the_readme_runs(
    base_url: str, login: LogIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEDUCE_TOKEN", login.token(base_url))
    [snippet] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    exec(compile(snippet.replace("http://127.0.0.1:8081", base_url), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert re.fullmatch(r"\d+ readings in W\n", printed)
    assert int(printed.split()[0]) > 60
