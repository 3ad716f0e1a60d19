"""The states of a user and the permitted transitions."""

from __future__ import annotations

from itertools import product

import pytest

from backend.accounts.errors import Conflict
from backend.accounts.log import OPERATOR, AuditLog
from backend.accounts.model import TRANSITIONS, User, UserEvent, UserState, events_leading_to, next_state
from backend.accounts.user_steps import change_state
from tests.support.accounts import AccountBench

WAYS = {
    ("created", "email_sent", "waiting_confirmation_email"),
    ("waiting_confirmation_email", "confirm_email", "confirmed"),
    ("confirmed", "notify_admin", "waiting_authorization"),
    ("waiting_authorization", "approve", "authorized"),
    ("waiting_authorization", "disapprove", "unauthorized"),
    ("authorized", "deauthorize", "unauthorized"),
    ("unauthorized", "reauthorize", "authorized"),
}


def test_the_table_has_exactly_these_transitions() -> None:
    assert {(s.value, e.value, end.value) for (s, e), end in TRANSITIONS.items()} == WAYS
    for state, event in product(UserState, UserEvent):
        end = next_state(state, event)
        assert (end is None) == all((state.value, event.value) != way[:2] for way in WAYS)


def test_the_shortest_sequence_of_events() -> None:
    assert events_leading_to(UserState.AUTHORIZED, UserState.AUTHORIZED) == ()
    assert events_leading_to(UserState.UNAUTHORIZED, UserState.AUTHORIZED) == (UserEvent.REAUTHORIZE,)
    assert len(events_leading_to(UserState.CREATED, UserState.AUTHORIZED) or ()) == 4
    assert events_leading_to(UserState.AUTHORIZED, UserState.CREATED) is None


async def _put(bench: AccountBench, user: User, state: UserState) -> None:
    async with bench.store.begin() as repo:
        await repo.users.update(user.id, state=state.value)


async def test_every_other_transition_is_refused_and_changes_nothing(bench: AccountBench) -> None:
    user, log = await bench.user(), AuditLog(bench.clock)
    for state, event in product(UserState, UserEvent):
        await _put(bench, user, state)
        expected = next_state(state, event)
        if expected is None:
            with pytest.raises(Conflict):
                async with bench.store.begin() as repo:
                    await change_state(repo, log, user.id, state, event, OPERATOR)
        else:
            async with bench.store.begin() as repo:
                assert await change_state(repo, log, user.id, state, event, OPERATOR) is expected
        stored = await bench.accounts.users.find(user.id)
        assert stored is not None
        assert stored.state is (expected or state)


async def test_a_transition_from_an_outdated_state_is_refused(bench: AccountBench) -> None:
    user, log = await bench.user(), AuditLog(bench.clock)
    with pytest.raises(Conflict):
        async with bench.store.begin() as repo:
            await change_state(
                repo, log, user.id, UserState.WAITING_AUTHORIZATION, UserEvent.DISAPPROVE, OPERATOR
            )
    stored = await bench.accounts.users.find(user.id)
    assert stored is not None
    assert stored.state is UserState.AUTHORIZED
