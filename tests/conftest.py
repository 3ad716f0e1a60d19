"""Fixtures for every test, and the order of the files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.influx import InfluxServer
from tests.support.redis import RedisServer
from tests.support.scheduling import group_of, ordered

# Most tests check numbers, not permissions: for them reads are public. Tests of permissions change it in their settings.
os.environ.setdefault("SEDUCE_PUBLIC_READ", "true")


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of a file, and all tests that share a demo, in one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files so that long ones start first."""
    paths = [item.path.relative_to(config.rootpath).as_posix() for item in items]
    slow = {path for path, item in zip(paths, items, strict=True) if item.get_closest_marker("slow")}
    place = {path: n for n, path in enumerate(ordered([(path, path in slow) for path in set(paths)]))}
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
