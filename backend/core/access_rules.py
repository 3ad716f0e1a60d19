"""Who may do what: one line for every entry point. What has no line here is refused, and a test lists what has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.core.rights import Right

_OPEN_FIELDS: Final = (
    "Query.me",
    "Query.access",
    "Query.mailedLink",
    "Mutation.signUp",
    "Mutation.confirmEmail",
    "Mutation.decideRequest",
    "Mutation.requestPasswordReset",
    "Mutation.resetPassword",
    "Mutation.logIn",
    "Mutation.logOut",
)
"""For anyone: how people become known, with limits of their own."""

_READ_FIELDS: Final = (
    "Query.sensors",
    "Query.sensor",
    "Query.sensorTypes",
    "Query.series",
    "Query.energyRoot",
    "Query.energyTree",
    "Query.energyTreeOver",
    "Query.energy",
    "Query.pue",
    "Query.renewableShare",
    "Query.balance",
    "Query.balances",
    "Query.racks",
    "Query.roomMap",
    "Query.roomPlan",
    "Query.overview",
    "Query.devices",
    "Query.device",
    "Query.sensorErrors",
    "Query.events",
    "Subscription.readings",
    "Subscription.energyTree",
    "Subscription.deviceHealth",
    "Subscription.events",
)

_ACCOUNT_FIELDS: Final = (
    "Query.mySessions",
    "Query.myTokens",
    "Mutation.changeProfile",
    "Mutation.changePassword",
    "Mutation.deleteMyAccount",
    "Mutation.endSession",
    "Mutation.endOtherSessions",
    "Mutation.createToken",
    "Mutation.deleteToken",
)

_ADMIN_FIELDS: Final = (
    "Query.users",
    "Query.user",
    "Query.deviceKeys",
    "Query.auditLog",
    "Query.commands",
    "Mutation.approveUser",
    "Mutation.disapproveUser",
    "Mutation.deauthorizeUser",
    "Mutation.reauthorizeUser",
    "Mutation.promoteUser",
    "Mutation.demoteUser",
    "Mutation.deleteUser",
    "Mutation.createDeviceKey",
    "Mutation.deleteDeviceKey",
    "Mutation.runCommand",
    "Query.jobs",
    "Query.job",
    "Query.continuousQueries",
    "Query.periodicTasks",
    "Mutation.createJobs",
    "Mutation.cancelJob",
    "Mutation.pauseJob",
    "Mutation.resumeJob",
    "Mutation.retryJob",
    "Mutation.cancelJobs",
    "Mutation.pauseJobs",
    "Mutation.resumeJobs",
    "Mutation.retryJobs",
    "Mutation.mendContinuousQueries",
    "Mutation.clearSensorErrors",
    "Subscription.jobs",
)

FIELDS: Final[Mapping[str, Right]] = {
    **dict.fromkeys(_OPEN_FIELDS, Right.ANYONE),
    **dict.fromkeys(_READ_FIELDS, Right.READ),
    **dict.fromkeys(_ACCOUNT_FIELDS, Right.ACCOUNT),
    **dict.fromkeys(_ADMIN_FIELDS, Right.ADMIN),
}
"""`Type.field` -> what it asks for. All fields of Query, Mutation and Subscription; another type's field may ask for more than
the way that led to it."""

_READS: Final = (
    "/sensors",
    "/sensors_types",
    "/sensors_types/{sensor_type:name}/sensors",
    "/servers/all/sensors",
    "/sensors/{sensor_id:name}/measurements",
    "/power_infrastructure/description/tree",
    "/infrastructure/description/tree",
)

ROUTES: Final[Mapping[str, Right]] = {
    **dict.fromkeys(_READS, Right.READ),
    "/room/plan": Right.READ,
    **{f"/api{path}": Right.READ for path in _READS},
    **dict.fromkeys(
        ("/api", "/api/", "/api/{path:name}"), Right.ANYONE
    ),  # what there is, and that there is no more
    "/api/docs": Right.ANYONE,
    "/openapi.json": Right.ANYONE,
    "/graphql": Right.ANYONE,  # every field has its own line
    "/schema.graphql": Right.ANYONE,
    "/explorer/": Right.ANYONE,  # a page, without data
    "/explorer": Right.ANYONE,
    "/healthz": Right.ANYONE,
    "/readyz": Right.ANYONE,
    "/metrics": Right.LOCAL,
    "/export": Right.EXPORT,
    "/ingest": Right.DEVICE,
    "/ingest/cards": Right.DEVICE,
    "/ingest/health": Right.DEVICE,
    "/temperature/list": Right.DEVICE,
    "": Right.ANYONE,  # the page's files, without data
}
"""Path of a route, as it is declared -> what it asks for."""

TOKEN_IN_ADDRESS: Final = frozenset({"/export"})
"""Where `?token=` is taken: programs that load a file from an address alone."""


def right_of_field(name: str) -> Right | None:
    """None for a field that asks for nothing of its own. Raises KeyError for a root field without a line."""
    found = FIELDS.get(name)
    if found is None and name.partition(".")[0] in ("Query", "Mutation", "Subscription"):
        raise KeyError(name)
    return found


def right_of_route(path: str) -> Right:
    """Raises KeyError for a route without a line."""
    return ROUTES[path]
