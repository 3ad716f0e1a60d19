from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawlers.snmp_plan import Answer, Bulk, Exchange, Get, Oid, Request, parse_oid, plan

BASE = parse_oid(".1.3.6.1.4.1.318.1.1.26.9.4.3.1.7")
OTHER = parse_oid("1.3.6.1.2.1.105.1.3.1.1.4")


def at(*indices: int, base: Oid = BASE) -> list[Oid]:
    return [(*base, i) for i in indices]


def answer(request: Request, table: dict[Oid, float], limit: int, refuse: bool) -> Answer:
    """Return the answer of an agent that accepts `limit` variables per answer."""
    if isinstance(request, Get):
        if len(request.oids) > limit:
            return Answer(1, 0, ())
        return Answer(0, 0, [(oid, table.get(oid, "no such instance")) for oid in request.oids])
    if refuse and request.count > limit:
        return Answer(1, 0, ())
    after = [oid for oid in sorted(table) if oid > request.after][: min(request.count, limit)]
    return Answer(
        0, 0, [(oid, table[oid]) for oid in after], end_of_view=len(after) < min(request.count, limit)
    )


def run(exchange: Exchange, table: dict[Oid, float], limit: int = 1_000, refuse: bool = False) -> int:
    requests = 0
    while request := exchange.next_request():
        requests += 1
        assert requests < 500
        exchange.handle_answer(answer(request, table, limit, refuse))
    return requests


def test_twenty_four_outlets_are_one_getbulk() -> None:
    outlets = at(*range(1, 25))
    assert plan(outlets) == (Bulk((*BASE, 0), 24, tuple(outlets)),)


def test_few_neighbours_and_version_1_are_gets() -> None:
    assert plan([*at(1, 2), *at(40), *at(7, base=OTHER)]) == (Get(tuple(at(7, base=OTHER) + at(1, 2, 40))),)
    assert plan(at(*range(1, 30)), bulk=False, per_get=10) == tuple(
        Get(tuple(at(*range(a, min(a + 10, 30))))) for a in (1, 11, 21)
    )


def test_small_gaps_are_read_past() -> None:
    assert plan(at(1, 2, 3, 8, 9)) == (Bulk((*BASE, 0), 9, tuple(at(1, 2, 3, 8, 9))),)
    assert len(plan(at(1, 2, 3, 9, 10, 11))) == 2


def test_an_instance_zero_is_found_from_its_base() -> None:
    assert plan(at(0, 1, 2)) == (Bulk(BASE, 3, tuple(at(0, 1, 2))),)


def test_a_truncated_answer_is_continued() -> None:
    targets = at(*range(1, 25))
    exchange = Exchange(list(plan(targets)))
    assert run(exchange, dict.fromkeys(targets, 1.0), limit=10) == 3
    assert set(exchange.values) == set(targets)


def test_too_big_halves_the_request_for_later_polls_too() -> None:
    targets = at(*range(1, 25))
    exchange = Exchange(list(plan(targets)))
    run(exchange, dict.fromkeys(targets, 1.0), limit=7, refuse=True)
    assert set(exchange.values) == set(targets)
    second = Exchange(list(plan(targets)), max_variables=exchange.max_variables)
    assert run(second, dict.fromkeys(targets, 1.0), limit=7, refuse=True) == 4


def test_a_missing_instance_affects_only_its_sensor() -> None:
    targets = at(*range(1, 10))
    exchange = Exchange(list(plan(targets)))
    run(exchange, {oid: 1.0 for oid in targets if oid[-1] not in (4, 9)})
    assert exchange.missing == dict.fromkeys(at(4, 9), "no such instance")
    assert set(exchange.values) == set(targets) - set(at(4, 9))


def test_a_request_is_repeated_without_the_oid_that_version_1_refuses() -> None:
    exchange = Exchange([Get(tuple(at(1, 2, 3)))])
    exchange.handle_answer(Answer(2, 2, ()))
    assert exchange.next_request() == Get(tuple(at(1, 3)))
    exchange.handle_answer(Answer(0, 0, [(oid, 5.0) for oid in at(1, 3)]))
    assert exchange.next_request() is None
    assert set(exchange.missing) == set(at(2))


def test_an_agent_without_getbulk_is_read_by_get() -> None:
    exchange = Exchange(list(plan(at(1, 2, 3))))
    exchange.handle_answer(Answer(5, 0, ()))
    assert exchange.next_request() == Get(tuple(at(1, 2, 3)))


@given(
    present=st.sets(st.integers(0, 60)),
    targets=st.sets(st.integers(0, 60), min_size=1),
    limit=st.integers(1, 70),
    refuse=st.booleans(),
    bulk=st.booleans(),
)
def test_all_existing_instances_are_read_with_any_limit(
    present: set[int], targets: set[int], limit: int, refuse: bool, bulk: bool
) -> None:
    table = dict.fromkeys([*at(*present), *at(1, 2, base=OTHER)], 1.0)
    exchange = Exchange(list(plan(at(*targets), bulk=bulk)))
    run(exchange, table, limit, refuse)
    assert set(exchange.values) == set(at(*(targets & present)))
    assert set(exchange.missing) == set(at(*(targets - present)))
