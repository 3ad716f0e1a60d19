"""The Celery application: its schedule, the settings it refuses, and requests of a task over a real Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from backend.core.errors import TransientError
from backend.settings import Settings
from tests.support.redis import RedisServer
from workers.app import create
from workers.queue import PREFIX, QUEUE, CeleryQueue
from workers.schedule import SCHEDULE, limit_of

ROOT = Path(__file__).resolve().parents[3]


def celery(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEDUCE_")} | settings
    program = str(Path(sys.executable).parent / "celery")
    return subprocess.run(
        [program, "-A", "workers.app", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_beat_reads_the_one_schedule() -> None:
    app = create(Settings(bus_url="redis://127.0.0.1:1/0"))
    entries = app.conf.beat_schedule
    assert {name: entry["schedule"] for name, entry in entries.items()} == dict(SCHEDULE)
    for name, entry in entries.items():
        task = app.tasks[entry["task"]]
        assert entry["task"] == PREFIX + name
        assert task.time_limit > limit_of(name), "it stops itself before it is killed"
        assert entry["options"]["expires"] >= entry["schedule"]


@pytest.mark.parametrize("command", [["beat"], ["worker", "-c", "1"]])
def test_an_embedded_store_is_refused(command: list[str]) -> None:
    done = celery(*command, SEDUCE_BUS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert "only one process can open DuckDB: set SEDUCE_STORE_URL to an InfluxDB" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bus_in_memory_is_refused() -> None:
    done = celery("beat", SEDUCE_STORE_URL="influxdb+http://127.0.0.1:1/x")
    assert done.returncode == 1
    assert "set SEDUCE_BUS_URL=redis://host:port/db" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_setting_is_named() -> None:
    done = celery("beat", SEDUCE_PORT="many")
    assert (done.returncode, done.stderr) == (
        1,
        "seduce: invalid settings: SEDUCE_PORT; run `seduce config` for details\n",
    )


def test_nothing_heavy_is_loaded_with_the_application() -> None:
    heavy = "{'numpy', 'sqlalchemy', 'backend.processes.shared', 'duckdb', 'influxdb_client'}"
    code = f"import sys, workers.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


async def test_a_requested_task_waits_in_the_queue(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url(5))
    client.flushdb()
    await CeleryQueue(redis_server.url(5)).request_run("run_job")
    (message,) = client.lrange(QUEUE, 0, -1)
    assert f'"{PREFIX}run_job"'.encode() in message
    client.close()


async def test_an_unreachable_broker_is_reported(redis_server: RedisServer) -> None:
    with pytest.raises(TransientError, match="cannot reach the broker of the workers"):
        await CeleryQueue("redis://127.0.0.1:1/0").request_run("run_job")
    await CeleryQueue("").request_run("run_job")
