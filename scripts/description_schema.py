"""Write the JSON Schemas of the description files into docs/schema, from the models that the loader uses.

python -m scripts.description_schema
"""

from __future__ import annotations

import json
from pathlib import Path

from backend.inventory.schema import SCHEMA_NAME, description_schema, file_schemas

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schema"


def files() -> dict[str, str]:
    """Return the content of every schema file by its name."""
    schemas = {name.replace(".yaml", ".schema.json"): schema for name, schema in file_schemas().items()}
    schemas[SCHEMA_NAME] = description_schema()
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
