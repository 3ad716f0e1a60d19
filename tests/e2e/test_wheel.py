"""An installed wheel works without this repository: the command, the page, the example and the migrations."""

from __future__ import annotations

import os
import re
import signal
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By way of a source distribution, as `python -m build` does: nothing may be missing from that either."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel_file,) = out.glob("*.whl")
    assert list(out.glob("*.tar.gz"))
    return wheel_file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment that has the wheel, and the packages it needs from the one the tests run in."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=DEADLINE_S)
    there = next((folder / "lib").glob("python*")) / "site-packages"
    # A plain path: the links of editable installs in it are not followed, so that the wheel's own modules are used.
    (there / "needed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    pip = [
        str(folder / "bin" / "pip"),
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        "--disable-pip-version-check",
    ]
    done = subprocess.run(
        [*pip, "--force-reinstall", str(wheel)], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_the_wheel_holds_the_page_and_no_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "backend/page/index.html" in names
    assert any(name.startswith("backend/page/assets/") for name in names)
    assert "backend/example/sensors.yaml" in names
    assert any(re.fullmatch(r"backend/db/migrations/versions/r0001_.*\.py", name) for name in names)
    assert not [n for n in names if n.startswith(("tests/", "frontend_static/", "benchmarks/"))]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_installed_command_serves_the_page_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SEDUCE_", "PYTHONPATH"))}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(installed / words[0]), *words[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "backup" in run("seduce", "--help")
    where = run("python", "-c", "import backend; print(backend.__file__)")
    assert str(installed.parent) in where, "the wheel's own modules are to be used"
    assert "hot" not in run("seduce", "config")
    demo = subprocess.Popen(
        [
            str(installed / "seduce"),
            "demo",
            "--port",
            "0",
            "--days",
            "0.02",
            "--data",
            str(tmp_path / "data"),
        ],
        cwd=tmp_path,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = ""
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            output += line
            if match := re.search(r"live at (http://\S+)", line):
                break
        else:
            pytest.fail(output)
        page = httpx.get(match[1], timeout=30)
        assert page.status_code == 200
        assets = re.findall(r'"(/assets/[^"]+\.js)"', page.text)
        assert assets
        assert httpx.get(match[1] + assets[0], timeout=30).status_code == 200
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=DEADLINE_S)
