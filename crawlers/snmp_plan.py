"""Which SNMP requests read a set of OIDs, and what to ask next after each answer. Nothing here touches the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Oid: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter says: it grows, and begins again at 0 after 2**bits - 1 or a restart."""

    number: int
    bits: int


Number: TypeAlias = float | Count
Value: TypeAlias = Number | str
"""A number, or why there is none."""

TOO_BIG: Final = 1
BULK_FROM: Final = 3  # fewer neighbours than this are not worth a request of their own
BULK_GAP: Final = 4  # unwanted instances that a GETBULK may read past
GET_VARIABLES: Final = 24
BULK_REPETITIONS: Final = 48


@dataclass(frozen=True, slots=True)
class Get:
    oids: tuple[Oid, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """GETBULK of `count` successors of `after`, to find the `wanted` ones among them."""

    after: Oid
    count: int
    wanted: tuple[Oid, ...]


Request: TypeAlias = Get | Bulk


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` and `index` as in RFC 3416 (0: all went well); a variable holds a number or why it has none."""

    status: int
    index: int
    variables: Sequence[tuple[Oid, Value]]
    end_of_view: bool = False


def parse_oid(text: str) -> Oid:
    """`1.3.6` or `.1.3.6` as numbers. Raises ValueError."""
    return tuple(int(part) for part in text.strip().strip(".").split("."))


def plan(oids: Iterable[Oid], bulk: bool = True, per_get: int = GET_VARIABLES) -> tuple[Request, ...]:
    """The requests that read all `oids`. `bulk` is False for SNMPv1, which has no GETBULK."""
    requests: list[Request] = []
    single: list[Oid] = []
    for run in _runs(sorted(set(oids))):
        if bulk and len(run) >= BULK_FROM:
            requests += (_bulk(part) for part in _chunks(run, BULK_REPETITIONS))
        else:
            single += run
    return (*requests, *(Get(tuple(part)) for part in _chunks(single, per_get)))


def _runs(oids: Sequence[Oid]) -> Iterator[list[Oid]]:
    """Split sorted OIDs where the base changes or too many instances lie between two neighbours."""
    run: list[Oid] = []
    for oid in oids:
        if run and (oid[:-1] != run[-1][:-1] or oid[-1] - run[-1][-1] > BULK_GAP + 1):
            yield run
            run = []
        run.append(oid)
    if run:
        yield run


def _chunks(oids: Sequence[Oid], size: int) -> Iterator[Sequence[Oid]]:
    for start in range(0, len(oids), size):
        yield oids[start : start + size]


def _bulk(wanted: Sequence[Oid]) -> Bulk:
    """Ask for the successors of the instance before the first: GETBULK answers what comes after."""
    first, last = wanted[0], wanted[-1]
    before = (*first[:-1], first[-1] - 1) if first[-1] > 0 else first[:-1]
    return Bulk(before, last[-1] - first[-1] + 1, tuple(wanted))


@dataclass(slots=True)
class Exchange:
    """One poll of one agent: hands out requests, takes in answers, and knows when all is said.

    `most` is the number of variables the agent was seen to bear in one answer; it is kept from poll to poll.
    """

    pending: list[Request]
    most: int = 1_000
    values: dict[Oid, Number] = field(default_factory=dict)
    missing: dict[Oid, str] = field(default_factory=dict)

    def next(self) -> Request | None:
        if not self.pending:
            return None
        request = self.pending[0]
        if isinstance(request, Bulk):
            return Bulk(request.after, min(request.count, self.most), request.wanted)
        if len(request.oids) > self.most:
            self.pending[:1] = [Get(tuple(part)) for part in _chunks(request.oids, self.most)]
        return self.pending[0]

    def feed(self, answer: Answer) -> None:
        """Take the answer to the request `next` gave."""
        request = self.pending.pop(0)
        if answer.status == TOO_BIG:
            self._shrink(request)
        elif answer.status:
            self._drop_refused(request, answer)
        elif isinstance(request, Bulk):
            self._feed_bulk(request, answer)
        else:
            self._feed_get(request, answer)

    def _shrink(self, request: Request) -> None:
        asked = min(self.most, request.count if isinstance(request, Bulk) else len(request.oids))
        if asked <= 1:
            self._lose(request, "the agent says one variable is too big")
            return
        self.most = asked // 2
        self.pending.insert(0, request)

    def _drop_refused(self, request: Request, answer: Answer) -> None:
        """v1 says noSuchName for the whole request and names the first culprit: ask again without it."""
        why = f"the agent answered error {answer.status}"
        if isinstance(request, Bulk):
            self.pending.insert(0, Get(request.wanted))
        elif 1 <= answer.index <= len(request.oids):
            culprit = answer.index - 1
            self.missing[request.oids[culprit]] = why
            if rest := request.oids[:culprit] + request.oids[culprit + 1 :]:
                self.pending.insert(0, Get(rest))
        else:
            self._lose(request, why)

    def _feed_get(self, request: Get, answer: Answer) -> None:
        self._take(request.oids, answer.variables)
        left = tuple(o for o in request.oids if o not in self.values and o not in self.missing)
        if left and len(left) < len(request.oids):  # the agent cut its answer short
            self.pending.insert(0, Get(left))
        elif left:
            self._lose(request, "not in the answer")

    def _feed_bulk(self, request: Bulk, answer: Answer) -> None:
        self._take(request.wanted, answer.variables)
        reached = answer.variables[-1][0] if answer.variables else request.after
        left = tuple(o for o in request.wanted if o > reached)
        if not left or answer.end_of_view or reached <= request.after:
            for oid in request.wanted:
                if oid not in self.values:
                    self.missing.setdefault(oid, "no such instance")
        else:
            for oid in request.wanted[: len(request.wanted) - len(left)]:
                if oid not in self.values:
                    self.missing.setdefault(oid, "no such instance")
            self.pending.insert(0, Bulk(reached, max(1, request.count - len(answer.variables)), left))

    def _take(self, wanted: Sequence[Oid], variables: Iterable[tuple[Oid, Value]]) -> None:
        asked = set(wanted)
        for oid, value in variables:
            if oid not in asked:
                continue
            if isinstance(value, str):
                self.missing[oid] = value
            else:
                self.values[oid] = value

    def _lose(self, request: Request, why: str) -> None:
        oids = request.wanted if isinstance(request, Bulk) else request.oids
        self.missing |= dict.fromkeys(oids, why)
