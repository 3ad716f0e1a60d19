"""The page: the files that the front end's build left, and its index for every path that the page routes itself."""

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
"""Folder of files with a hash of their content in the name: they never change."""

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SeDuCe</title>
<h1>The page is not built yet</h1>
<p>The API runs. To build the page: <code>make frontend_static/dist/index.html</code>, then load this again.</p>
</html>
"""


class SinglePage(StaticFiles):
    """Serves a build; 404 only for a missing file below `assets/`, so that a stale page notices."""

    def __init__(self, directory: Path = DIST) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._index = directory / "index.html"

    async def check_config(self) -> None:
        """The folder may come later."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        # Looked for each time: the build may end after the server has started.
        if not self._index.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": _ASK_AGAIN})
        try:
            response = await super().get_response("index.html" if path == "." else path, scope)
        except HTTPException as missing:
            if missing.status_code != 404 or path.startswith(HASHED):
                raise
            path = "index.html"
            response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOR_EVER if path.startswith(HASHED) else _ASK_AGAIN
        return response
