"""JSON Schema of the description files, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.inventory import commands, places, sensors, trees

MODELS: Final[dict[str, type[BaseModel]]] = {
    sensors.FILE: sensors.SensorsFile,
    trees.CONSUMPTION: trees.TreeFile,
    trees.PRODUCTION: trees.TreeFile,
    places.RACKS: places.RacksFile,
    places.TEMPERATURE: places.TemperatureFile,
    places.ROOM: places.RoomFile,
    commands.FILE: commands.CommandsFile,
}
"""The model of each file."""

SCHEMA_NAME: Final = "description.schema.json"


def description_schema() -> dict[str, Any]:
    """Return one JSON Schema for a folder: a property for each file, and the definition of its content.

    The loader is more tolerant than the schema: it takes `SNMP` for `snmp`.
    """
    models = dict.fromkeys(MODELS.values())
    references, schema = models_json_schema([(model, "validation") for model in models])
    definitions = _tidy(dict(sorted(schema["$defs"].items())))
    for model in (sensors.SensorsFile, commands.CommandsFile):
        definitions[model.__name__]["properties"] = dict.fromkeys(sensors.IGNORED, True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Description of a data centre",
        "description": "The files of a description folder, by name.",
        "type": "object",
        "properties": {name: references[model, "validation"] for name, model in MODELS.items()},
        "required": [sensors.FILE, trees.CONSUMPTION],
        "$defs": definitions,
    }


def file_schemas() -> dict[str, dict[str, Any]]:
    """Return a small schema for each file by its name: it refers to the definition in `SCHEMA_NAME`."""
    content = description_schema()["properties"]
    return {name: {"$ref": f"{SCHEMA_NAME}{content[name]['$ref']}"} for name in MODELS}


def _tidy(schema: Any) -> Any:
    """Return the schema without titles that repeat a key. A map may be empty, and `classes` may hold anything."""
    if isinstance(schema, list):
        return [_tidy(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        key: _tidy(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)
    }
    if tidy.get("type") == "object" and "additionalProperties" in tidy:
        tidy["type"] = ["object", "null"]
    return tidy
