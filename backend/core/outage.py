"""Logging of outages: the first failure and the recovery are one line each, whatever happens between is counted.

failed store_writes error="no answer" waiting=12
recovered store_writes after_s=8.4 failures=31
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Final

from backend.core.errors import SeduceError

_PLAIN: Final = re.compile(r'[^\s"=]+')
_EXPECTED: Final = (SeduceError, OSError)
"""Errors that a device, a disk or a network can cause. Any other error is a defect and is logged with its traceback."""


def key_values(**fields: object) -> str:
    """Return `key=value` pairs for a log line. A value with spaces, quotes or `=` is quoted as in JSON."""
    return " ".join(f"{key}={_quote(value)}" for key, value in fields.items())


def _quote(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class Outage:
    """The outage of one thing: it opens with the first failure and closes with the next success.

    `name` says what fails, and `labels` which one of several. Not thread-safe.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        *,
        level: int = logging.ERROR,
        monotonic: Callable[[], float] = time.monotonic,
        **labels: object,
    ) -> None:
        """`level` is the level of the failure's line; the recovery is always logged at INFO."""
        self.failures = 0
        """Failures since the last success."""
        self._log = log
        self._name = name
        self._level = level
        self._monotonic = monotonic
        self._labels = labels
        self._since_s = 0.0

    @property
    def is_open(self) -> bool:
        return self.failures > 0

    def failed(self, error: BaseException | str, **fields: object) -> None:
        """Count a failure and log it if it is the first one. `fields` are added to that line."""
        self.failures += 1
        if self.failures > 1:
            return
        self._since_s = self._monotonic()
        defect = None if isinstance(error, (str, *_EXPECTED)) else error
        reason = str(error) or type(error).__name__
        line = key_values(**self._labels, error=reason, **fields)
        self._log.log(self._level, "failed %s %s", self._name, line, exc_info=defect)

    def recovered(self, **fields: object) -> None:
        """Close the outage and log it. Does nothing if it is not open, so that it can follow every success."""
        if not self.failures:
            return
        after_s = self._monotonic() - self._since_s
        line = key_values(**self._labels, after_s=after_s, failures=self.failures, **fields)
        self.failures = 0
        self._log.info("recovered %s %s", self._name, line)


class Outages:
    """The outages of many things of one kind, such as tasks or sensors. The label `label` identifies each one.

    At most `max_open` are logged and counted at a time, so that a flood of names cannot fill the memory.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        label: str,
        *,
        level: int = logging.ERROR,
        max_open: int | None = None,
    ) -> None:
        self._log = log
        self._name = name
        self._label = label
        self._level = level
        self._max_open = max_open
        self._open: dict[str, Outage] = {}

    @property
    def is_any_open(self) -> bool:
        return bool(self._open)

    def failures(self, key: str) -> int:
        """Return the number of failures of `key` since its last success."""
        outage = self._open.get(key)
        return outage.failures if outage else 0

    def failed(self, key: str, error: BaseException | str, **fields: object) -> None:
        """As `Outage.failed`, of `key`."""
        outage = self._open.get(key)
        if outage is None:
            if self._max_open is not None and len(self._open) >= self._max_open:
                return
            labels = {self._label: key}
            outage = self._open[key] = Outage(self._log, self._name, level=self._level, **labels)  # type: ignore[arg-type]
        outage.failed(error, **fields)

    def recovered(self, key: str, **fields: object) -> None:
        """As `Outage.recovered`, of `key`."""
        if outage := self._open.pop(key, None):
            outage.recovered(**fields)
