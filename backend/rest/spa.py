"""Serves the page: the files of the front end's build, and its index for every path that the page routes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend import packaged

DIST: Final = packaged.page()
HASHED: Final = "assets/"
"""Folder of the files that have a hash of their content in the name, and therefore never change."""

_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_REVALIDATE: Final = "no-cache"

_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SeDuCe</title>
<h1>The page is not built yet</h1>
<p>The API is running. To build the page, run <code>make frontend_static/dist/index.html</code>, then reload.</p>
</html>
"""


class SinglePage(StaticFiles):
    """Serves a build. Only a missing file below `assets/` is a 404, so an outdated page detects that it must reload."""

    def __init__(self, directory: Path = DIST) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._index = directory / "index.html"

    async def check_config(self) -> None:
        """Skip the check of the folder: the build may create it later."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        # Checked on each request: the build may finish after the server has started.
        if not self._index.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": _REVALIDATE})
        try:
            response = await super().get_response("index.html" if path == "." else path, scope)
        except HTTPException as missing:
            if missing.status_code != 404 or path.startswith(HASHED):
                raise
            path = "index.html"
            response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _IMMUTABLE if path.startswith(HASHED) else _REVALIDATE
        return response
