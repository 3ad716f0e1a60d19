"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.influx import InfluxServer
from tests.support.redis import RedisServer

# Most tests ask for numbers, not for rights: for them reads are public. Those about rights say so in their settings.
os.environ.setdefault("SEDUCE_PUBLIC_READ", "true")


def need(program: str, package: str) -> str:
    """Path of a program that a Debian package brings.

    Where it is missing the test is skipped with the reason; in CI that is a failure, since nothing may be skipped there.
    """
    # Servers stand in /usr/sbin, which not everybody's PATH has.
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        reason = f"{program} is not installed (apt-get install {package})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    return need("chromium", "chromium")


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(need("influxd", "influxdb"), tmp_path_factory.mktemp("influxdb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(need("redis-server", "redis-server"), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
