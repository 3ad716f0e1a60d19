"""Commands against pymodbus' own simulator, and all of the example's against the simulated fleet."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pymodbus.constants import ExcCodes

from backend.core.errors import PermanentError, TransientError, UserError
from backend.inventory.model import CommandAction, CommandProperty, CommandTarget
from crawlers.commands import ActionResult, Commands, PropertyValue
from crawlers.simulators.fleet import SimulatedFleet
from crawlers.simulators.model import DataCentreModel
from crawlers.simulators.relocate import free_port, relocate
from tests.devices.support import example
from tests.devices.test_modbus_device import holding, server

STATES = {"active": 1.0, "inactive": 0.0}


def cooler(port: int, **more: object) -> CommandTarget:
    target = CommandTarget(
        id="inrow",
        name="In-row cooler",
        ip="127.0.0.1",
        port=port,
        unit_id=3,
        actions=(
            CommandAction("start", 1030, 1),
            CommandAction("stop", 1030, 0),
            CommandAction("colder", 1005, -150),
            CommandAction("reset", 1112, 1),
            CommandAction("nowhere", 4000, 1),
            CommandAction("impossible", 1030, 70_000),
        ),
        properties=(
            CommandProperty("status", 1030, "bool", values=STATES),
            CommandProperty("setpoint", 1005, "int16", ">", ">"),
            CommandProperty("absent", 5000, "int16"),
        ),
    )
    return replace(target, **more)  # type: ignore[arg-type]


REGISTERS = {1005: [180], 1030: [0], 1112: [0]}


async def test_properties_with_their_states_and_a_refused_one_alone() -> None:
    async with server(holding(3, REGISTERS)) as port:
        commands = Commands([cooler(port)])
        status, setpoint, absent = await commands.read_properties("inrow")
    assert status == PropertyValue("status", 0.0, "inactive")
    assert setpoint == PropertyValue("setpoint", 180.0, None)
    assert absent.value is None
    assert absent.error == "inrow: register 5000 cannot be read: exception 2: illegal data address"


async def test_an_action_is_written_and_read_back() -> None:
    async with server(holding(3, REGISTERS)) as port:
        commands = Commands([cooler(port)])
        started = await commands.run_action("inrow", "start")
        assert started == ActionResult("inrow", "start", True, (PropertyValue("status", 1.0, "active"),))
        assert (await commands.run_action("inrow", "start")).confirmed is True
        assert (await commands.run_action("inrow", "colder")).read_back == (
            PropertyValue("setpoint", -150.0),
        )
        stopped = await commands.run_action("inrow", "stop")
        assert stopped.read_back == (PropertyValue("status", 0.0, "inactive"),)
        assert (await commands.read_properties("inrow"))[1].value == -150.0


async def test_an_action_that_no_property_shows_is_neither_confirmed_nor_denied() -> None:
    async with server(holding(3, REGISTERS)) as port:
        assert await Commands([cooler(port)]).run_action("inrow", "reset") == ActionResult(
            "inrow", "reset", None
        )


async def test_an_acknowledged_command_without_effect_is_not_confirmed() -> None:
    async def stubborn(
        fc: int, start: int, at: int, count: int, regs: list[int], written: list[int] | list[bool] | None
    ) -> None:
        if written is not None:
            written[:] = [False] * len(written)

    device = holding(3, REGISTERS)
    device.action = stubborn
    async with server(device) as port:
        acted = await Commands([cooler(port)], settle_s=0.0).run_action("inrow", "start")
    assert acted.confirmed is False
    assert acted.read_back == (PropertyValue("status", 0.0, "inactive"),)


async def test_a_delayed_effect_of_a_command_is_confirmed() -> None:
    looks = 0

    async def slow(
        fc: int, start: int, at: int, count: int, regs: list[int], written: object
    ) -> ExcCodes | None:
        nonlocal looks
        if fc == 3 and at == 1030:
            looks += 1
            return ExcCodes.ILLEGAL_ADDRESS if looks < 3 else None
        return None

    device = holding(3, REGISTERS)
    device.action = slow
    async with server(device) as port:
        acted = await Commands([cooler(port)], settle_s=20.0).run_action("inrow", "start")
    assert (acted.confirmed, looks) == (True, 3)


async def test_refused_commands_explain_the_reason() -> None:
    async with server(holding(3, REGISTERS)) as port:
        commands = Commands([cooler(port)])
        with pytest.raises(
            PermanentError, match="register 4000 cannot be written: exception 2: illegal data"
        ):
            await commands.run_action("inrow", "nowhere")
        with pytest.raises(UserError, match="70000 does not fit into a register"):
            await commands.run_action("inrow", "impossible")
        with pytest.raises(UserError, match="no action 'explode': there are start, stop"):
            await commands.run_action("inrow", "explode")
        with pytest.raises(UserError, match="no equipment 'reactor'"):
            await commands.read_properties("reactor")


async def test_a_busy_device_is_a_transient_error() -> None:
    async def busy(fc: int, start: int, at: int, count: int, regs: list[int], written: object) -> ExcCodes:
        return ExcCodes.DEVICE_BUSY

    device = holding(3, REGISTERS)
    device.action = busy
    async with server(device) as port:
        with pytest.raises(TransientError, match="exception 6: device busy"):
            await Commands([cooler(port)]).run_action("inrow", "start")


async def test_commands_to_an_unreachable_or_silent_device_time_out() -> None:
    with pytest.raises(TransientError, match="no connection"):
        await Commands([cooler(free_port())]).read_properties("inrow")
    over = asyncio.Event()

    async def silent(fc: int, start: int, at: int, count: int, regs: list[int], written: object) -> None:
        await over.wait()

    device = holding(3, REGISTERS)
    device.action = silent
    async with server(device) as port:
        with pytest.raises(TransientError, match="cannot be written"):
            await Commands([cooler(port)], timeout_s=0.1).run_action("inrow", "start")
        over.set()


async def test_commands_to_one_device_go_one_after_another() -> None:
    async with server(holding(3, REGISTERS)) as port:
        commands = Commands([cooler(port)])
        acted = await asyncio.gather(*(commands.run_action("inrow", a) for a in ["start", "stop"] * 5))
    assert all(one.confirmed for one in acted)


async def test_every_command_of_the_example_works_on_the_simulated_fleet() -> None:
    described = relocate(example())
    model = DataCentreModel(described, 1)
    async with SimulatedFleet(described, model):
        commands = Commands(described.commands)
        for target in described.commands:
            assert all(p.error == "" for p in await commands.read_properties(target.id))
            for action in target.actions:
                assert (await commands.run_action(target.id, action.name)).confirmed is not False
