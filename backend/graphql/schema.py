"""The schema, composed of the fields of all domains."""

from __future__ import annotations

from collections.abc import Mapping

import strawberry
from strawberry.schema.config import StrawberryConfig

from backend.graphql.execution.documents import manifest
from backend.graphql.execution.errors import StreamErrorsExtension
from backend.graphql.execution.failures import HANDLERS
from backend.graphql.execution.fast_path import FastPathExecutor
from backend.graphql.execution.limits import MAX_COST, CostExtension, DocumentExtension
from backend.graphql.execution.permissions import RightsExtension
from backend.graphql.execution.schema_class import Operations, Schema
from backend.graphql.fields.administration import AdministrationMutation, AdministrationQuery
from backend.graphql.fields.audit import AuditQuery
from backend.graphql.fields.auth import AuthMutation, AuthQuery
from backend.graphql.fields.balance import BalanceQuery
from backend.graphql.fields.commands import CommandMutation, CommandQuery
from backend.graphql.fields.continuous_queries import ContinuousQueryMutation, ContinuousQueryQuery
from backend.graphql.fields.credentials import CredentialMutation, CredentialQuery
from backend.graphql.fields.devices import DeviceQuery, DeviceSubscription
from backend.graphql.fields.energy import EnergyQuery, EnergySubscription
from backend.graphql.fields.events import EventMutation, EventQuery, EventSubscription
from backend.graphql.fields.jobs import JobMutation, JobQuery, JobSubscription
from backend.graphql.fields.overview import OverviewQuery
from backend.graphql.fields.people import PeopleMutation, PeopleQuery
from backend.graphql.fields.racks import RackQuery
from backend.graphql.fields.ratios import RatioQuery
from backend.graphql.fields.readings import ReadingSubscription
from backend.graphql.fields.room import RoomQuery
from backend.graphql.fields.sensors import SensorQuery
from backend.graphql.fields.series import SeriesQuery
from backend.graphql.fields.usage import UsageQuery
from backend.graphql.scalars import SCALARS


@strawberry.type(description="Reads.")
class Query(
    SensorQuery,
    SeriesQuery,
    EnergyQuery,
    UsageQuery,
    RatioQuery,
    BalanceQuery,
    RackQuery,
    RoomQuery,
    OverviewQuery,
    DeviceQuery,
    PeopleQuery,
    AuthQuery,
    CredentialQuery,
    AdministrationQuery,
    AuditQuery,
    CommandQuery,
    EventQuery,
    JobQuery,
    ContinuousQueryQuery,
):
    pass


@strawberry.type(description="Changes. Expected failures are part of each result type.")
class Mutation(
    AuthMutation,
    PeopleMutation,
    CredentialMutation,
    AdministrationMutation,
    CommandMutation,
    JobMutation,
    ContinuousQueryMutation,
    EventMutation,
):
    pass


@strawberry.type(description="Live data, over graphql-transport-ws.")
class Subscription(
    ReadingSubscription, EnergySubscription, DeviceSubscription, EventSubscription, JobSubscription
):
    pass


def build_schema(
    *,
    introspection: bool = True,
    persisted: Mapping[str, str] | None = None,
    only_persisted: bool = False,
    max_cost: int = MAX_COST,
    time_limit_s: float | None = None,
) -> Schema:
    """Return the schema with its limits. Raises `MissingRightError` if a root field declares no right.

    introspection    False refuses `__schema` and `__type`
    persisted        documents by their SHA-256; None: those of the web page
    only_persisted   refuse all other documents
    max_cost         values that one operation may read or answer
    time_limit_s     seconds after which a query or mutation is stopped; None: never
    """
    operations = Operations()
    return Schema(
        Query,
        mutation=Mutation,
        subscription=Subscription,
        operations=operations,
        time_limit_s=time_limit_s,
        document_options={
            "persisted": manifest() if persisted is None else persisted,
            "only_persisted": only_persisted,
            "introspection": introspection,
        },
        execution_context_class=FastPathExecutor,
        exception_handlers=HANDLERS,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not introspection),
        extensions=[
            lambda: StreamErrorsExtension(operations.errors),
            RightsExtension,
            lambda: CostExtension(max_cost),
            DocumentExtension,
        ],
    )
