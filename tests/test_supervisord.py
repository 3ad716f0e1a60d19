"""The commands and sensors in the example configuration of supervisord exist."""

from __future__ import annotations

import configparser
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import main as cli
from crawlers.cli import main as crawl
from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[1]
CONFIG = configparser.RawConfigParser(inline_comment_prefixes=(";",))
CONFIG.read(ROOT / "supervisord.conf.example")
COMMANDS = {name.removeprefix("program:"): shlex.split(CONFIG[name]["command"]) for name in CONFIG.sections()}


def test_every_service_keeps_its_name() -> None:
    crawlers = {f"pdu_crawler_z1_{n}" for n in (10, 11, 20, 21, 40, 41, 50, 51)}
    crawlers |= {"poe_crawler", "modbus_crawler_inrow", "modbus_crawler_entech", "sensors_crawler"}
    programs = {"frontend", "api", "ingest", "celery_beat", "celery_worker", "temperature_registerer"}
    assert crawlers | programs | {"influxdb", "redis"} == set(COMMANDS)


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if c[0].endswith("/seduce")])
def test_the_command_is_one_of_seduce(name: str) -> None:
    cli.check_usage(COMMANDS[name][1:])


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if c[0].endswith("/python")])
def test_the_crawler_finds_its_sensors(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, module, *options = COMMANDS[name]
    methods = {"sensors": ["flukso", "socomec"]}.get(module.removeprefix("crawlers."))
    at = ["--description", str(ROOT / "examples" / "datacenter"), "--list"]
    assert crawl(methods or [module.removeprefix("crawlers.")], [*options, *at]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if c[0].endswith("/celery")])
def test_celery_finds_the_application_and_takes_the_options(name: str) -> None:
    command = [str(Path(sys.executable).parent / "celery"), *COMMANDS[name][1:], "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr


def test_no_program_is_roots_and_all_have_rules() -> None:
    for name in CONFIG.sections():
        program = CONFIG[name]
        assert program["user"] in ("seduce", "influxdb", "redis"), name
        for rule in ("autorestart", "priority", "stopwaitsecs", "stdout_logfile_maxbytes"):
            assert rule in program, f"{name} says no {rule}"
        if program["user"] == "seduce":
            assert 'SEDUCE_SETTINGS_FILE="/etc/seduce/env"' in program["environment"], name
