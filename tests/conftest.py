"""Fixtures for every test, and the order of the files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.influx import InfluxServer
from tests.support.redis import RedisServer
from tests.support.scheduling import group_of, ordered

# Most tests check numbers, not permissions: for them reads are public. Tests of permissions change it in their settings.
os.environ.setdefault("SEDUCE_PUBLIC_READ", "true")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files so that long ones start first, and keep the tests of a file in one worker."""
    paths = [item.path.relative_to(config.rootpath).as_posix() for item in items]
    slow = {path for path, item in zip(paths, items, strict=True) if item.get_closest_marker("slow")}
    place = {path: n for n, path in enumerate(ordered([(path, path in slow) for path in set(paths)]))}
    for path, item in zip(paths, items, strict=True):
        item.add_marker(pytest.mark.xdist_group(group_of(path)))
    by_place = sorted(zip(paths, items, strict=True), key=lambda pair: place[pair[0]])
    items[:] = [item for _, item in by_place]


def need(program: str, package: str) -> str:
    """Return the path of a program that a Debian package installs.

    Without it the test is skipped with the reason. In CI that is a failure, because nothing may be skipped there.
    """
    if os.environ.get("SEDUCE_TEST_FAST"):
        pytest.skip(f"{program} is not started in the fast run (make test-fast)")
    # Servers are in /usr/sbin, which is not on every user's PATH.
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
