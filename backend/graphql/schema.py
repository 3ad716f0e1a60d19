"""The schema: puts the domains together, and nothing else."""

from __future__ import annotations

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from backend.graphql.balance import BalanceQuery
from backend.graphql.continuous_queries import ContinuousQueryMutation, ContinuousQueryQuery
from backend.graphql.devices import DeviceQuery, DeviceSubscription
from backend.graphql.energy import EnergyQuery, EnergySubscription
from backend.graphql.errors import DescribeStream
from backend.graphql.events import EventMutation, EventQuery, EventSubscription
from backend.graphql.execution import Operations, Schema
from backend.graphql.jobs import JobMutation, JobQuery, JobSubscription
from backend.graphql.limits import Cost, NoIntrospection, Shape, Tokens
from backend.graphql.overview import OverviewQuery
from backend.graphql.plain import PlainExecutor
from backend.graphql.problems import HANDLERS
from backend.graphql.racks import RackQuery
from backend.graphql.ratios import RatioQuery
from backend.graphql.readings import ReadingSubscription
from backend.graphql.room import RoomQuery
from backend.graphql.scalars import SCALARS
from backend.graphql.sensors import SensorQuery
from backend.graphql.series import SeriesQuery
from backend.graphql.usage import UsageQuery


@strawberry.type(description="What can be asked.")
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
    EventQuery,
    JobQuery,
    ContinuousQueryQuery,
):
    pass


@strawberry.type(description="What can be changed.")
class Mutation(JobMutation, ContinuousQueryMutation, EventMutation):
    pass


@strawberry.type(description="What can be watched, over graphql-transport-ws.")
class Subscription(
    ReadingSubscription, EnergySubscription, DeviceSubscription, EventSubscription, JobSubscription
):
    pass


def build_schema(*, introspection: bool = True) -> Schema:
    """The schema with its limits; `introspection` False hides it from `__schema` and `__type`."""
    operations = Operations()
    extensions = [
        lambda: DescribeStream(operations.errors),
        Tokens,
        Shape,
        Cost,
        ParserCache,
        ValidationCache,
    ]
    return Schema(
        Query,
        Mutation,
        subscription=Subscription,
        operations=operations,
        execution_context_class=PlainExecutor,
        exception_handlers=HANDLERS,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not introspection),
        extensions=extensions if introspection else [NoIntrospection, *extensions],
    )
