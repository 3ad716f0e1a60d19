"""The address and credentials of an InfluxDB, parsed from one URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from backend.core.errors import UserError

_SCHEMES = {"influxdb+http": "http", "influxdb+https": "https"}
_FORM = "influxdb+http://user:password@host:8086/database (1.x) or influxdb+http://host:8086/bucket?org=...&token=... (2.x)"


@dataclass(frozen=True, slots=True)
class Address:
    """`base` is scheme, host and port, safe to show; `database` is the bucket's name on 2.x."""

    base: str
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    org: str | None = None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, *, org: str | None = None, token: str | None = None) -> Address:
        """Parse a URL; arguments take precedence over it. Raise `UserError`, which never shows a password or a token."""
        try:
            parts = urlsplit(url)
            scheme, port = _SCHEMES[parts.scheme], parts.port
        except (KeyError, ValueError):
            raise UserError(f"this is not an InfluxDB URL; expected {_FORM}") from None
        database = unquote(parts.path.strip("/"))
        if not parts.hostname or not database or "/" in database:
            raise UserError(f"the InfluxDB URL has no host or no database; expected {_FORM}")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        query = parse_qs(parts.query)
        unknown = query.keys() - {"org", "token"}
        if unknown:
            raise UserError(f"the InfluxDB URL has unknown parameters {sorted(unknown)}; expected {_FORM}")
        return cls(
            base=f"{scheme}://{host}" + (f":{port}" if port else ""),
            database=database,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            org=org or next(iter(query.get("org", [])), None),
            token=token or next(iter(query.get("token", [])), None),
        )
