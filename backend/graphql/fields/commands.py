"""Commands to equipment: the targets, their properties and the execution of a command."""

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


@strawberry.type(description="An action that the equipment can execute.")
class CommandAction:
    name: str = strawberry.field(description="Unique name within the equipment.")
    title: str = strawberry.field(
        description="Display name: from the site description, else derived from the name."
    )


@strawberry.type(description="A property of the equipment, read at the time of the request.")
class CommandProperty:
    name: str = strawberry.field(description="Unique name within the equipment.")
    title: str = strawberry.field(
        description="Display name: from the site description, else derived from the name."
    )
    value: float | None = strawberry.field(
        description="The number that the device returned, without a unit; null if it could not be read."
    )
    state: str | None = strawberry.field(
        description="Name of the state that the number means; null if it means no state."
    )
    error: str = strawberry.field(description="The reason for a missing value; empty if there is a value.")


@strawberry.type(description="Equipment that accepts commands.")
class CommandTarget:
    id: strawberry.ID = strawberry.field(description="Unique id.")
    name: str = strawberry.field(description="Name in the site description.")
    actions: list[CommandAction] = strawberry.field(description="Actions that it can execute.")
    properties: list[CommandProperty] = strawberry.field(description="Its properties.")
    error: str = strawberry.field(description="The reason why it cannot be read now; empty if it can.")


@strawberry.type(description="A command that the device has acknowledged.")
class CommandRun:
    target: strawberry.ID = strawberry.field(description="The equipment.")
    action: str = strawberry.field(description="The action.")
    confirmed: bool | None = strawberry.field(
        description="True if the properties confirm the command; null if no property would show its effect."
    )
    shown: list[CommandProperty] = strawberry.field(
        description="Properties that were read after the command."
    )


@strawberry.type(
    description="A command that failed, or whose outcome is unknown. Read the properties to find out."
)
class CommandFailed(Failure):
    certain: bool = strawberry.field(
        description="True: the device refused the command. False: the device did not answer, and may have executed it."
    )


RunCommandResult = Annotated[
    CommandRun | CommandFailed | InvalidInput,
    strawberry.union(
        "RunCommandResult", description="The outcome of the command, or the reason for the failure."
    ),
]


def _title(entry: Any) -> str:
    """Return the title of the site description, else the name in words."""
    title: str = entry.title or entry.name.replace("_", " ").capitalize()
    return title


def _titles(entries: Sequence[Any]) -> dict[str, str]:
    return {entry.name: _title(entry) for entry in entries}


def _properties(values: Sequence[commands.PropertyValue], titles: dict[str, str]) -> list[CommandProperty]:
    return [
        CommandProperty(
            name=v.name, title=titles.get(v.name, ""), value=v.value, state=v.state, error=v.error
        )
        for v in values
    ]


async def _target(command_port: commands.CommandPort, description: Any) -> CommandTarget:
    """Return the equipment with its properties, or with the error of reading them."""
    values: Sequence[commands.PropertyValue] = ()
    error = ""
    try:
        values = await command_port.read_properties(description.id)
    except (TransientError, PermanentError) as cause:
        error = str(cause)
    return CommandTarget(
        id=strawberry.ID(description.id),
        name=description.name,
        actions=[CommandAction(name=a.name, title=_title(a)) for a in description.actions],
        properties=_properties(values, _titles(description.properties)),
        error=error,
    )


async def _run(context: Context, target: str, action: str) -> CommandRun | CommandFailed:
    """Execute a command. The audit log gets an entry before and after it, so that no command goes unrecorded."""
    detail = {"target": target[:100], "action": action[:100]}
    audit, actor = context.accounts.audit, context.actor
    description = context.command_port.targets.get(target)
    if description is None or action not in {a.name for a in description.actions}:
        raise UserError(
            f"{target[:100]}.{action[:100]} is not a command; the query `commands` lists them.",
            path=("target",),
        )
    await audit.write(AuditKind.COMMAND, actor, {**detail, "outcome": "begun"})
    try:
        result = await context.command_port.run_action(target, action)
    except (TransientError, PermanentError) as error:
        certain = isinstance(error, PermanentError)
        outcome = "refused" if certain else "unknown"
        await audit.write(AuditKind.COMMAND, actor, {**detail, "outcome": outcome, "why": str(error)[:300]})
        return CommandFailed(message=str(error), path=[], certain=certain)
    effect = {True: "confirmed", False: "not shown", None: "acknowledged"}[result.confirmed]
    await audit.write(AuditKind.COMMAND, actor, {**detail, "outcome": effect})
    return CommandRun(
        target=strawberry.ID(target),
        action=action,
        confirmed=result.confirmed,
        shown=_properties(result.read_back, _titles(description.properties)),
    )


@strawberry.type
class CommandQuery:
    @query(
        "Equipment that accepts commands, with its present properties. The server reads every device.",
        right=Right.ADMIN,
    )
    async def commands(self, info: Info) -> list[CommandTarget]:
        command_port = info.context.command_port
        return list(await asyncio.gather(*(_target(command_port, t) for t in command_port.targets.values())))


@strawberry.type
class CommandMutation:
    @mutation(
        "Send a command to equipment and read its effect. The audit log records it.",
        right=Right.ADMIN,
    )
    async def run_command(
        self,
        info: Info,
        target: Annotated[strawberry.ID, strawberry.argument(description="The equipment's id.")],
        action: Annotated[str, strawberry.argument(description="Name of the action.")],
    ) -> RunCommandResult:
        return await _run(info.context, target, action)
