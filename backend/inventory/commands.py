"""commands.yaml: the registers that commands write, and those that show the state of devices."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, RootModel, model_validator

from backend.inventory.document import Leaf
from backend.inventory.model import CommandAction, CommandProperty, CommandTarget
from backend.inventory.sensors import IGNORED, DataType, Register, UnitId, WordOrder
from backend.inventory.validation import Entry, SourceFile, map_of
from backend.inventory.values import PLACEHOLDER, Host, Kind, Port, Text, integer, number, one_of

FILE: Final = "commands.yaml"

_INTEGER: Final = integer(-(2**31), 2**32 - 1, "a register's value")


def _read_register_value(leaf: Leaf) -> int:
    if leaf.tag == "bool":
        return int(leaf.text.lower() in ("true", "yes", "on"))
    return _INTEGER.read(leaf)


_REGISTER_VALUE: Final = Kind(
    _INTEGER.expected, _read_register_value, 0, {"type": ["integer", "boolean", "string"]}
)


class _How(Entry):
    """The device and the register of a command."""

    expected_map: ClassVar[str] = "a map with a device and a register"

    ip: Host = Field(description="Address of the device.")
    port: Port = Field(502, description="TCP port.")
    unit_id: UnitId = Field(1, description="Modbus unit id.")
    register_: Register = Field(alias="register", description="Holding register.")

    @property
    def device(self) -> tuple[str, int, int]:
        return self.ip, self.port, self.unit_id


class WriteHow(_How):
    """A Modbus write."""

    action: Annotated[str, one_of({"write": "write"})] = "write"
    value: Annotated[int, _REGISTER_VALUE] = Field(description="The value to write.")


class StateValue(Entry):
    """The value of a register that shows a state."""

    expected_value: Annotated[float, number()]

    @model_validator(mode="before")
    @classmethod
    def _accept_number(cls, data: Any) -> Any:
        return data if isinstance(data, dict) or data is PLACEHOLDER else {"expected_value": data}


class ReadHow(_How):
    """A Modbus read."""

    action: Annotated[str, one_of({"read": "read"})] = "read"
    type: DataType = Field("int16", description="Type of the number in the registers.")
    byteorder: WordOrder = Field("<", description="Byte order within a register.")
    wordorder: WordOrder = Field("<", description="Order of the registers.")
    values: Annotated[dict[str, StateValue], map_of("a map from states to expected values")] = Field(
        {}, description="The value of each state."
    )


class ActionEntry(Entry):
    """A command of a device."""

    expected_map: ClassVar[str] = "a map with the key how"

    title: Text = Field("", description="Display name.")
    how: WriteHow


class PropertyEntry(Entry):
    """A state of a device, read from a register."""

    expected_map: ClassVar[str] = "a map with the key how"

    title: Text = Field("", description="Display name.")
    how: ReadHow


class TargetEntry(Entry):
    """A device that takes commands."""

    expected_map: ClassVar[str] = "a map with actions and properties"

    name: Text | None = Field(None, description="Display name.")
    actions: Annotated[dict[str, ActionEntry], map_of("a map of actions")] = Field(
        {}, description="Commands of the device."
    )
    properties: Annotated[dict[str, PropertyEntry], map_of("a map of properties")] = Field(
        {}, description="States of the device."
    )


class CommandsFile(RootModel[Annotated[dict[str, TargetEntry], map_of("a map of devices", IGNORED)]]):
    """commands.yaml: devices by id. The key `classes` holds anchors and is ignored."""


def commands(file: SourceFile) -> tuple[CommandTarget, ...]:
    """Return the devices that take commands, in the order of the file."""
    targets = []
    for key, entry in file.validate(CommandsFile).root.items():
        ip, port, unit_id = _device(file, key, entry)
        targets.append(
            CommandTarget(
                id=key,
                name=key if entry.name is None else entry.name,
                ip=ip,
                port=port,
                unit_id=unit_id,
                actions=tuple(_action(name, action) for name, action in entry.actions.items()),
                properties=tuple(_property(name, state) for name, state in entry.properties.items()),
            )
        )
    return tuple(targets)


def _device(file: SourceFile, key: str, entry: TargetEntry) -> tuple[str, int, int]:
    """Return the one address, port and unit id of all commands of a device."""
    hows: dict[tuple[str, ...], _How] = {("actions", name): a.how for name, a in entry.actions.items()}
    hows |= {("properties", name): p.how for name, p in entry.properties.items()}
    device: tuple[str, int, int] | None = None
    for place, how in hows.items():
        if device is None:
            device = how.device
        elif how.device != device and how.ip:
            expected = f"the address of the device's other commands, {device[0]}:{device[1]}"
            file.fault((key, *place, "how"), expected, f"{how.ip}:{how.port}, unit {how.unit_id}")
    return device or ("", 502, 1)


def _action(name: str, entry: ActionEntry) -> CommandAction:
    return CommandAction(name, entry.how.register_, entry.how.value, entry.title)


def _property(name: str, entry: PropertyEntry) -> CommandProperty:
    return CommandProperty(
        name=name,
        register=entry.how.register_,
        type=entry.how.type,
        byteorder=entry.how.byteorder,
        wordorder=entry.how.wordorder,
        values={state: value.expected_value for state, value in entry.how.values.items()},
        title=entry.title,
    )
