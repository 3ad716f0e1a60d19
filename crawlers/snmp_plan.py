"""Plans the SNMP requests for a set of OIDs, and the next request after each answer. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Oid: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CounterValue:
    """The value of a counter. It grows, and restarts at 0 after 2**bits - 1 and after a restart of the agent."""

    number: int
    bits: int


Number: TypeAlias = float | CounterValue
Value: TypeAlias = Number | str
"""A number, or the reason why there is none."""

TOO_BIG: Final = 1
MIN_BULK_OIDS: Final = 3  # fewer neighbours than this are read by GET
MAX_BULK_GAP: Final = 4  # unused instances that a GETBULK may read
GET_VARIABLES: Final = 24
BULK_REPETITIONS: Final = 48


@dataclass(frozen=True, slots=True)
class Get:
    oids: tuple[Oid, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """GETBULK of `count` successors of `after`, which contain the `targets`."""

    after: Oid
    count: int
    targets: tuple[Oid, ...]


Request: TypeAlias = Get | Bulk


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an agent. `status` and `index` are those of RFC 3416; a status of 0 means success."""

    status: int
    index: int
    variables: Sequence[tuple[Oid, Value]]
    end_of_view: bool = False


def parse_oid(text: str) -> Oid:
    """Return the numbers of an OID such as `1.3.6` or `.1.3.6`. Raises ValueError."""
    return tuple(int(part) for part in text.strip().strip(".").split("."))


def plan(oids: Iterable[Oid], bulk: bool = True, per_get: int = GET_VARIABLES) -> tuple[Request, ...]:
    """Return the requests that read all `oids`. `bulk` is False for SNMPv1, which has no GETBULK."""
    requests: list[Request] = []
    single: list[Oid] = []
    for run in _runs(sorted(set(oids))):
        if bulk and len(run) >= MIN_BULK_OIDS:
            requests += (_bulk(part) for part in _chunks(run, BULK_REPETITIONS))
        else:
            single += run
    return (*requests, *(Get(tuple(part)) for part in _chunks(single, per_get)))


def _runs(oids: Sequence[Oid]) -> Iterator[list[Oid]]:
    """Split sorted OIDs where the base changes, or where more than `MAX_BULK_GAP` instances lie between two neighbours."""
    run: list[Oid] = []
    for oid in oids:
        if run and (oid[:-1] != run[-1][:-1] or oid[-1] - run[-1][-1] > MAX_BULK_GAP + 1):
            yield run
            run = []
        run.append(oid)
    if run:
        yield run


def _chunks(oids: Sequence[Oid], size: int) -> Iterator[Sequence[Oid]]:
    for start in range(0, len(oids), size):
        yield oids[start : start + size]


def _bulk(targets: Sequence[Oid]) -> Bulk:
    """Return the GETBULK for the successors of the instance before the first target."""
    first, last = targets[0], targets[-1]
    before = (*first[:-1], first[-1] - 1) if first[-1] > 0 else first[:-1]
    return Bulk(before, last[-1] - first[-1] + 1, tuple(targets))


@dataclass(slots=True)
class Exchange:
    """The requests and answers of one poll of one agent.

    `max_variables` is the number of variables that the agent accepts in one answer. The caller keeps it between polls.
    """

    pending: list[Request]
    max_variables: int = 1_000
    values: dict[Oid, Number] = field(default_factory=dict)
    missing: dict[Oid, str] = field(default_factory=dict)

    def next_request(self) -> Request | None:
        """Return the next request, or None when the poll is complete."""
        if not self.pending:
            return None
        request = self.pending[0]
        if isinstance(request, Bulk):
            return Bulk(request.after, min(request.count, self.max_variables), request.targets)
        if len(request.oids) > self.max_variables:
            self.pending[:1] = [Get(tuple(part)) for part in _chunks(request.oids, self.max_variables)]
        return self.pending[0]

    def handle_answer(self, answer: Answer) -> None:
        """Handle the answer to the last request of `next_request`."""
        request = self.pending.pop(0)
        if answer.status == TOO_BIG:
            self._shrink(request)
        elif answer.status:
            self._drop_rejected(request, answer)
        elif isinstance(request, Bulk):
            self._handle_bulk(request, answer)
        else:
            self._handle_get(request, answer)

    def _shrink(self, request: Request) -> None:
        requested = min(self.max_variables, request.count if isinstance(request, Bulk) else len(request.oids))
        if requested <= 1:
            self._mark_missing(request, "the agent answered tooBig for one variable")
            return
        self.max_variables = requested // 2
        self.pending.insert(0, request)

    def _drop_rejected(self, request: Request, answer: Answer) -> None:
        """Repeat the request without the OID that the error names. SNMPv1 answers noSuchName for a whole request."""
        reason = f"the agent answered error {answer.status}"
        if isinstance(request, Bulk):
            self.pending.insert(0, Get(request.targets))
        elif 1 <= answer.index <= len(request.oids):
            faulty = answer.index - 1
            self.missing[request.oids[faulty]] = reason
            if rest := request.oids[:faulty] + request.oids[faulty + 1 :]:
                self.pending.insert(0, Get(rest))
        else:
            self._mark_missing(request, reason)

    def _handle_get(self, request: Get, answer: Answer) -> None:
        self._store(request.oids, answer.variables)
        remaining = tuple(o for o in request.oids if o not in self.values and o not in self.missing)
        if remaining and len(remaining) < len(request.oids):  # the answer was truncated
            self.pending.insert(0, Get(remaining))
        elif remaining:
            self._mark_missing(request, "not in the answer")

    def _handle_bulk(self, request: Bulk, answer: Answer) -> None:
        self._store(request.targets, answer.variables)
        reached = answer.variables[-1][0] if answer.variables else request.after
        remaining = tuple(o for o in request.targets if o > reached)
        if not remaining or answer.end_of_view or reached <= request.after:
            for oid in request.targets:
                if oid not in self.values:
                    self.missing.setdefault(oid, "no such instance")
        else:
            for oid in request.targets[: len(request.targets) - len(remaining)]:
                if oid not in self.values:
                    self.missing.setdefault(oid, "no such instance")
            self.pending.insert(0, Bulk(reached, max(1, request.count - len(answer.variables)), remaining))

    def _store(self, oids: Sequence[Oid], variables: Iterable[tuple[Oid, Value]]) -> None:
        requested = set(oids)
        for oid, value in variables:
            if oid not in requested:
                continue
            if isinstance(value, str):
                self.missing[oid] = value
            else:
                self.values[oid] = value

    def _mark_missing(self, request: Request, reason: str) -> None:
        oids = request.targets if isinstance(request, Bulk) else request.oids
        self.missing |= dict.fromkeys(oids, reason)
