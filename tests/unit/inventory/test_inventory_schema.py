"""The JSON Schema of the description: up to date, and as tolerant as the loader where the example needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from backend.inventory.loader import FILES
from backend.inventory.schema import MODELS, SCHEMA_NAME, description_schema
from scripts import description_schema as script

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "datacenter"


def content(name: str) -> Any:
    """The content of an example file as JSON has it."""
    return json.loads(json.dumps(yaml.safe_load((EXAMPLE / name).read_text()), default=str))


def faults(description: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(description_schema())
    return [e.json_path for e in validator.iter_errors(description)]


@pytest.fixture
def example() -> dict[str, Any]:
    return {name: content(name) for name in FILES}


def test_the_committed_schemas_are_up_to_date() -> None:
    for name, text in script.files().items():
        assert (script.FOLDER / name).read_text() == text, "run python -m scripts.description_schema"


def test_every_file_has_a_schema_that_leads_to_its_definition() -> None:
    assert tuple(MODELS) and set(MODELS) == set(FILES)
    definitions = description_schema()["$defs"]
    for name in FILES:
        reference = json.loads((script.FOLDER / name.replace(".yaml", ".schema.json")).read_text())["$ref"]
        file, _, definition = reference.partition("#/$defs/")
        assert (file, definition in definitions) == (SCHEMA_NAME, True)


def test_it_is_a_schema_and_the_example_fits(example: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(description_schema())
    assert faults(example) == []


def test_it_finds_what_is_wrong(example: dict[str, Any]) -> None:
    del example["sensors.yaml"]["pdu"]["ecotype-1_pdu-Z1.50"]["oid"]
    example["racks.yaml"]["racks"]["Z1.1"]["ecotype-37"]["position"] = 0
    example["room_map.yaml"]["inrow"]["color"] = "red;x: y"
    assert sorted(faults(example)) == [
        "$['racks.yaml'].racks['Z1.1']['ecotype-37'].position",
        "$['room_map.yaml'].inrow.color",
        "$['sensors.yaml'].pdu['ecotype-1_pdu-Z1.50']",
    ]


def test_empty_groups_and_anchors_are_allowed(example: dict[str, Any]) -> None:
    example["sensors.yaml"]["empty"] = None
    example["sensors.yaml"]["classes"]["half"] = {"method": "snmp"}
    assert faults(example) == []
