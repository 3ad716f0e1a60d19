"""The import rules between the folders of the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("backend", "crawlers", "workers")

# Folders that assemble processes, and their only importers.
ASSEMBLING = {
    "backend.processes": {"backend.cli", "workers.app"},
    "backend.cli": set[str](),
}

# Folder -> the other folders it may import.
ALLOWED: dict[str, set[str]] = {
    "backend.core": set(),
    "backend.packaged": set(),
    "backend.settings": {"backend.core"},
    "backend.inventory": {"backend.core"},
    "backend.store": {"backend.core"},
    "backend.bus": {"backend.core"},
    "backend.formats": {"backend.core"},
    "backend.ingest": {"backend.core"},
    "backend.rollups": {"backend.core"},
    "backend.db": {"backend.core"},
    "backend.mail": {"backend.core"},
    "backend.accounts": {"backend.core", "backend.accounts.repository"},
    "backend.accounts.repository": {"backend.core", "backend.accounts", "backend.db"},
    "backend.metrics": {"backend.core"},
    "backend.jobs": {"backend.core", "backend.rollups"},
    "backend.watch": {"backend.core"},
    "backend.queries": {
        "backend.core",
        "backend.inventory",
        "backend.settings",
        "backend.jobs",
        "backend.watch",
    },
    "backend.graphql": {
        "backend.core",
        "backend.inventory",
        "backend.settings",
        "backend.queries",
        "backend.formats",
        "backend.accounts",
        "backend.accounts.repository",
        "backend.jobs",
        "backend.watch",
    },
    "backend.rest": {
        "backend.packaged",
        "backend.core",
        "backend.inventory",
        "backend.settings",
        "backend.queries",
        "backend.formats",
    },
    "crawlers": {"backend.core", "backend.inventory", "backend.ingest", "backend.settings"},
    "workers": {"backend.core", "backend.rollups", "backend.jobs", "backend.watch", "backend.accounts"},
}

# Library -> the only folders that may import it.
DRIVERS = {
    "duckdb": {"backend.store"},
    "influxdb_client": {"backend.store"},
    "redis": {"backend.bus"},
    "sqlalchemy": {"backend.db", "backend.accounts.repository"},
    "smtplib": {"backend.mail"},
    "jinja2": {"backend.mail"},
    "pwdlib": {"backend.accounts"},
    "pysnmp": {"crawlers"},
    "pymodbus": {"crawlers"},
    "celery": {"workers"},
    "pyarrow": {"backend.formats", "backend.store"},
    "prometheus_client": {"backend.metrics"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def folder_of(module: str) -> str | None:
    """Return the folder whose rule applies to a module; None for a folder that assembles the rest, or a bare package."""
    if module == "workers.app":  # Celery needs this address; it assembles a process
        return None
    return max((r for r in ALLOWED if module == r or module.startswith(r + ".")), key=len, default=None)


def is_in(module: str, folder: str) -> bool:
    """Return whether a module is the folder itself or lies inside it."""
    return module == folder or module.startswith(folder + ".")


def imports(path: Path) -> set[str]:
    """Return the modules and names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the folder they reach"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = list(modules())


@pytest.mark.parametrize("name, path", MODULES, ids=[m for m, _ in MODULES])
def test_a_module_imports_only_allowed_folders(name: str, path: Path) -> None:
    folder = folder_of(name)
    for imported in imports(path):
        for assembling, importers in ASSEMBLING.items():
            is_allowed = any(is_in(name, importer) for importer in {assembling, *importers})
            assert is_allowed or not is_in(imported, assembling), (
                f"{name} imports {imported}, which assembles a process"
            )
        if folder is None:
            continue
        other = folder_of(imported)
        assert other is None or other == folder or other in ALLOWED[folder], f"{name} imports {imported}"
        driver = imported.split(".")[0]
        if driver in DRIVERS:
            assert folder in DRIVERS[driver], f"{name} imports the driver {driver}"


def test_every_module_belongs_to_a_folder_with_a_rule() -> None:
    bare = {"backend", "workers"}
    unassigned = [
        m
        for m, _ in MODULES
        if m not in bare
        and m != "workers.app"
        and folder_of(m) is None
        and not any(is_in(m, a) for a in ASSEMBLING)
    ]
    assert not unassigned, f"move these into a folder with a rule: {unassigned}"


def test_core_needs_only_the_standard_library_and_numpy() -> None:
    import sys

    allowed = set(sys.stdlib_module_names) | {"numpy", "backend"}
    for name, path in MODULES:
        if folder_of(name) == "backend.core":
            outside = {i.split(".")[0] for i in imports(path)} - allowed
            assert not outside, f"{name} imports {outside}"


@pytest.mark.parametrize(
    ("start", "heavy"),
    [
        ("import crawlers.cli, crawlers.snmp", {"pymodbus", "sqlalchemy", "duckdb", "strawberry"}),
        ("import crawlers.cli, crawlers.modbus", {"pysnmp", "sqlalchemy", "duckdb", "strawberry"}),
        (
            "import backend.processes.cards",
            {"pysnmp", "pymodbus", "sqlalchemy", "duckdb", "redis", "strawberry"},
        ),
        ("import backend.processes.ingest", {"pysnmp", "pymodbus", "alembic", "duckdb", "strawberry"}),
        (
            "import backend.processes.one_process",
            {
                *("pysnmp", "pymodbus", "alembic", "celery", "kombu", "duckdb", "pyarrow", "pandas", "httpx"),
                *("jinja2", "zxcvbn", "prometheus_client", "redis", "influxdb_client", "rich"),
            },
        ),
    ],
)
def test_a_process_loads_no_library_that_it_does_not_use(start: str, heavy: set[str]) -> None:
    """A dozen processes start together after a power cut; each of these libraries costs 0.1 to 0.4 s of CPU to load."""
    code = f"import sys; {start}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not heavy & set(loaded.stdout.split())
