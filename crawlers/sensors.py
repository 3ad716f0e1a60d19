"""The command `python -m crawlers.sensors`: poll the Flukso and Socomec meters in one process. It is no driver."""

from __future__ import annotations

if __name__ == "__main__":
    from crawlers import flukso, socomec
    from crawlers.cli import main

    raise SystemExit(main([flukso.METHOD, socomec.METHOD], prog="python -m crawlers.sensors"))
