"""Commands to equipment: what there is, what it shows, and giving one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from backend.accounts.model import AuditKind
from backend.core import commands
from backend.core.errors import PermanentError, TransientError, UserError
from backend.core.rights import Right
from backend.graphql.context import Context, Info
from backend.graphql.execution.failures import Failure, InvalidInput
from backend.graphql.field import mutation, query


@strawberry.type(description="What can be told an equipment.")
class CommandAction:
    name: str = strawberry.field(description="Unique name within the equipment.")
    title: str = strawberry.field(description="What the description calls it, else its name in words.")


@strawberry.type(description="What an equipment shows of itself, read just now.")
class CommandProperty:
    name: str = strawberry.field(description="Unique name within the equipment.")
    title: str = strawberry.field(description="What the description calls it, else its name in words.")
    value: float | None = strawberry.field(
        description="The number that was read, without a unit; null where none could be."
    )
    state: str | None = strawberry.field(
        description="The state that the number stands for; null if for none."
    )
    error: str = strawberry.field(description="Why there is no number; empty where there is one.")


@strawberry.type(description="An equipment that takes commands.")
class CommandTarget:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="What the description calls it.")
    actions: list[CommandAction] = strawberry.field(description="What it can be told.")
    properties: list[CommandProperty] = strawberry.field(description="What it shows.")
    error: str = strawberry.field(description="Why it cannot be read now; empty where it can.")


@strawberry.type(description="The device has acknowledged the command.")
class CommandRun:
    target: strawberry.ID = strawberry.field(description="The equipment.")
    action: str = strawberry.field(description="What it was told.")
    confirmed: bool | None = strawberry.field(
        description="Whether the equipment shows it; null where nothing would show it."
    )
    shown: list[CommandProperty] = strawberry.field(description="What was read back.")


@strawberry.type(description="The device did not do it, or nobody knows whether it did: its properties tell.")
class CommandFailed(Failure):
    certain: bool = strawberry.field(
        description="True where the device refused; false where it did not answer, and may have done it."
    )


RunCommandResult = Annotated[
    CommandRun | CommandFailed | InvalidInput,
    strawberry.union("RunCommandResult", description="What came of the command."),
]


def _title(described: Any) -> str:
    title: str = described.title or described.name.replace("_", " ").capitalize()
    return title


def _titles(described: Sequence[Any]) -> dict[str, str]:
    return {one.name: _title(one) for one in described}


def _properties(values: Sequence[commands.PropertyValue], titles: dict[str, str]) -> list[CommandProperty]:
    return [
        CommandProperty(
            name=v.name, title=titles.get(v.name, ""), value=v.value, state=v.state, error=v.error
        )
        for v in values
    ]


async def _target(equipment: commands.Equipment, described: Any) -> CommandTarget:
    values: Sequence[commands.PropertyValue] = ()
    error = ""
    try:
        values = await equipment.read_properties(described.id)
    except (TransientError, PermanentError) as cause:
        error = str(cause)
    return CommandTarget(
        id=strawberry.ID(described.id),
        name=described.name,
        actions=[CommandAction(name=a.name, title=_title(a)) for a in described.actions],
        properties=_properties(values, _titles(described.properties)),
        error=error,
    )


async def _act(context: Context, target: str, action: str) -> CommandRun | CommandFailed:
    """Logged before, so that nothing is done that is not, and after."""
    told = {"target": target[:100], "action": action[:100]}
    audit, actor = context.accounts.audit, context.actor
    described = context.equipment.targets.get(target)
    if described is None or action not in {a.name for a in described.actions}:
        raise UserError(f"There is no command {target[:100]}.{action[:100]}.", path=("target",))
    await audit.write(AuditKind.COMMAND, actor, {**told, "outcome": "begun"})
    try:
        acted = await context.equipment.run_action(target, action)
    except (TransientError, PermanentError) as error:
        certain = isinstance(error, PermanentError)
        outcome = "refused" if certain else "unknown"
        await audit.write(AuditKind.COMMAND, actor, {**told, "outcome": outcome, "why": str(error)[:300]})
        return CommandFailed(message=str(error), path=[], certain=certain)
    shown = {True: "confirmed", False: "not shown", None: "acknowledged"}[acted.confirmed]
    await audit.write(AuditKind.COMMAND, actor, {**told, "outcome": shown})
    return CommandRun(
        target=strawberry.ID(target),
        action=action,
        confirmed=acted.confirmed,
        shown=_properties(acted.read_back, _titles(described.properties)),
    )


@strawberry.type
class CommandQuery:
    @query("Equipment that takes commands, with what it shows now: each device is asked.", right=Right.ADMIN)
    async def commands(self, info: Info) -> list[CommandTarget]:
        equipment = info.context.equipment
        return list(await asyncio.gather(*(_target(equipment, t) for t in equipment.targets.values())))


@strawberry.type
class CommandMutation:
    @mutation(
        "Gives an equipment a command, and reads back what came of it. It is written to the audit log.",
        right=Right.ADMIN,
    )
    async def run_command(
        self,
        info: Info,
        target: Annotated[strawberry.ID, strawberry.argument(description="The equipment's id.")],
        action: Annotated[str, strawberry.argument(description="Name of the action.")],
    ) -> RunCommandResult:
        return await _act(info.context, target, action)
