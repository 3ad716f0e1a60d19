"""Puts the built page and the example's description into the wheel, so that it needs neither Node nor this repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """For wheels and source distributions; an editable install serves the page from where it is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        dist = root / "frontend_static" / "dist"
        if not (dist / "index.html").is_file():
            self._build(root / "frontend_static")
        if self.target_name == "wheel":
            build_data["force_include"][str(dist)] = "backend/page"
            build_data["force_include"][str(root / "examples" / "datacenter")] = "backend/example"

    def _build(self, folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(
                "The page is not built, and there is no npm to build it with: run `make frontend_static/dist/index.html` first"
            )
        self.app.display_info("Building the page")
        for words in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build", "--silent"]):
            subprocess.run([npm, *words], cwd=folder, check=True)  # noqa: S603 (words of our own)
