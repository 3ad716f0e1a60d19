"""Speed and peak memory of import and export: `python -m benchmarks.bench_transfer [--points N]`.

Writes a file as `influx_inspect export` does (a week of one series after another), imports it by the command, exports
it as Parquet and imports that into an empty store. Each command is a process of its own, whose peak memory is
measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.core.ports import SensorTags
from backend.core.reading import Readings
from backend.formats.file_formats import Format
from backend.formats.write import writer

S = 10**9
T0 = 1_700_006_400 * S
WEEK = 7 * 86_400 * S
PERIOD = 10 * S
ROOT = Path(__file__).resolve().parents[1]


def write_export(path: Path, points: int, sensors: int) -> None:
    """Write a file of line protocol."""
    names = tuple(f"ecotype-{k}_pdu-Z1.50" for k in range(sensors))
    tags = {name: SensorTags(name.split("_")[0], "wattmeter", "W") for name in names}
    out = writer(Format.LINE, names, tags)
    each, rng = points // sensors, np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(b"# DDL\nCREATE DATABASE seduce WITH NAME autogen\n# DML\n# CONTEXT-DATABASE:seduce\n")
        for first in range(0, each, WEEK // PERIOD):
            n = min(WEEK // PERIOD, each - first)
            times = T0 + np.arange(first, first + n) * PERIOD
            for code in range(sensors):
                values = np.round(rng.normal(200, 20, n), 1)
                file.write(out.write(Readings(names, np.full(n, code, np.int32), times, values)))


# The kernel's figure for a child includes memory of its parent; VmHWM is the child's own.
MEASURED = """
import resource, re, sys
from pathlib import Path
from backend.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], used.ru_utime + used.ru_stime)
sys.exit(code)
"""


def run(label: str, points: int, *arguments: object) -> None:
    """Run one command; print its wall time, CPU time and peak memory."""
    start = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if process.returncode:
        sys.exit(f"{label} failed: {process.stderr}")
    wall_s = time.perf_counter() - start
    peak, cpu_s = map(float, process.stdout.split())
    print(
        f"{label:<28} {wall_s:8.1f} s   cpu {cpu_s:8.1f} s   {points / wall_s / 1e6:6.2f} M points/s   "
        f"peak {peak / 1024:6.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=2_000_000)
    parser.add_argument("--sensors", type=int, default=400)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines, parquet = folder / "export.line", folder / "export.parquet"
        write_export(lines, args.points, args.sensors)
        print(
            f"{args.points:,} points of {args.sensors} sensors, {lines.stat().st_size / 1e6:,.0f} MB of line protocol"
        )
        points = args.points // args.sensors * args.sensors
        run("import of line protocol", points, "import", "--quiet", "--data", folder / "a", lines)
        run("the same file again (skipped)", points, "import", "--quiet", "--data", folder / "a", lines)
        for kind in Format:
            file = parquet if kind is Format.PARQUET else folder / f"export.{kind}"
            run(
                f"export as {kind}",
                points,
                "export",
                "--data",
                folder / "a",
                "--format",
                kind,
                "--quiet",
                "-o",
                file,
            )
            print(f"{'':<28} {file.stat().st_size / 1e6:8.0f} MB")
            if kind is not Format.PARQUET:
                file.unlink()
        run("import of Parquet", points, "import", "--quiet", "--data", folder / "b", parquet)


if __name__ == "__main__":
    main()
