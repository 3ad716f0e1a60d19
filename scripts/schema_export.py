"""Write schema.graphql: `python -m scripts.schema_export [FILE]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.graphql.schema import build_schema

HEADER = "# Written by `python -m scripts.schema_export`; do not edit.\n\n"


def sdl() -> str:
    """Return the schema in the schema definition language."""
    return HEADER + build_schema().as_str() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.schema_export", description="Write the GraphQL schema to a file."
    )
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, default=Path("schema.graphql"))
    parser.parse_args().file.write_text(sdl(), encoding="utf-8")


if __name__ == "__main__":
    main()
