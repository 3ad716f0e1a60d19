"""The client by itself: its documents fit the schema, it installs without the server, its notebook and snippets run."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from graphql import build_schema, parse, validate
from nbclient import NotebookClient

from scripts.client_sync import TARGET, generate
from seduce_client import BadRequest, Unavailable, connect, documents, protocol
from tests.client.conftest import Served

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client"
SOURCES = sorted((CLIENT / "src" / "seduce_client").rglob("*.py"))
NOTEBOOK = ROOT / "examples" / "notebook" / "first-look.ipynb"
NEEDED = {"httpx", "websockets", "seduce_client", "pandas", "polars", "pyarrow"}


def test_its_documents_fit_the_schema() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    series = [documents.series(()), documents.series(protocol.STATISTICS)]
    for text in (documents.SENSORS, documents.TREE, documents.READINGS, *series):
        assert not validate(schema, parse(text)), text


def test_the_blocking_client_is_generated_from_the_asynchronous_one() -> None:
    assert TARGET.read_text() == generate(), "run `make client`"


@pytest.mark.parametrize(
    "url", ["localhost:8081", "ftp://a", "http://", "http://a:port", "http://a:99999", "http://[::1"]
)
def test_an_invalid_address_is_a_bad_request(url: str) -> None:
    with pytest.raises(BadRequest, match="not an address"):
        connect(url)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"{}"])
def test_a_response_of_another_server_is_unavailable(body: bytes) -> None:
    with pytest.raises(Unavailable, match="is this the address"):
        protocol.graphql(200, body)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_it_imports_nothing_of_the_server(path: Path) -> None:
    result: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            result |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            result.add((node.module or "").split(".")[0])
    assert result - set(sys.stdlib_module_names) <= NEEDED


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


SCRIPT = """
import asyncio, importlib.util, sys
from datetime import timedelta
from seduce_client import NotInstalled, connect, connect_async

for name in ("backend", "numpy", "pandas", "pyarrow", "starlette"):
    assert importlib.util.find_spec(name) is None, name
url = sys.argv[1]
with connect(url) as seduce:
    print(len(seduce.sensors()), seduce.tree().root.id)
    [sun] = seduce.columns("sun", start=timedelta(hours=4))
    print(sun.unit, len(sun.values) > 100)
    try:
        seduce.series("sun", start=timedelta(hours=1))
    except NotInstalled as error:
        print(error)

async def live():
    return (await anext(connect_async(url).live("sun"))).snapshot

print(asyncio.run(live()))
"""


@pytest.mark.slow
async def test_its_wheel_installs_and_runs_without_the_server(site: Served, tmp_path: Path) -> None:
    def install() -> Path:
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        run(*pip, "-w", tmp_path, CLIENT, cwd=tmp_path)
        [wheel] = tmp_path.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        assert "seduce_client/py.typed" in names
        assert all(n.startswith(("seduce_client/", "seduce_client-")) for n in names)
        venv.create(tmp_path / "venv", with_pip=True)
        python = tmp_path / "venv" / "bin" / "python"
        pins = ROOT / "requirements" / "client.txt"
        more = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        run(python, *more, "--require-hashes", "-r", pins, cwd=tmp_path)
        run(python, *more, wheel, cwd=tmp_path)
        return python

    python = await asyncio.to_thread(install)
    output = await asyncio.to_thread(run, python, "-c", SCRIPT, site.url, cwd=tmp_path)
    assert output.splitlines() == [
        "8 datacenter",
        "W True",
        "frame: pyarrow is not installed: pip install 'seduce-client[pandas]', or use another `frame`",
        "True",
    ]


@pytest.mark.slow
async def test_the_notebook_runs(site: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it stands, against a server of the test."""
    monkeypatch.setenv("SEDUCE_URL", site.url)
    monkeypatch.setenv("PYTHONPATH", str(CLIENT / "src"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    feeding = asyncio.create_task(feed(site))
    try:
        await NotebookClient(notebook, timeout=100, kernel_name="python3").async_execute()
    finally:
        feeding.cancel()
    kinds = {output.output_type for cell in notebook.cells for output in cell.get("outputs", ())}
    assert "error" not in kinds


async def feed(site: Served) -> None:
    while True:
        await site.push(sun=1.0, fan=2.0)
        await asyncio.sleep(0.2)


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def snippets(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "client.md"], ids=lambda p: p.name)
async def test_the_python_of_the_pages_runs(page: Path, site: Served, tmp_path: Path) -> None:
    """Each page from its top to its end, as one script, on the sensors of the test's site."""
    text = "\n".join(snippets(page)).replace("http://127.0.0.1:8081", site.url)
    text = text.replace("ecotype-1_pdu-Z1.50", "sun").replace("ecotype-2_pdu-Z1.50", "fan")
    assert "seduce_client" in text
    feeding = asyncio.create_task(feed(site))
    try:
        await asyncio.to_thread(run, sys.executable, "-W", "error", "-c", text, cwd=tmp_path)
    finally:
        feeding.cancel()
