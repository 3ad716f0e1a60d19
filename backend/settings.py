"""All settings, built once at start and passed in. Each can be given as an environment variable `SEDUCE_<NAME>`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from backend.core.errors import UserError

FILE_VARIABLE: Final = "SEDUCE_SETTINGS_FILE"


class Settings(BaseSettings):
    """What an operator can choose. docs/settings.md lists the same names; a test compares."""

    model_config = SettingsConfigDict(env_prefix="SEDUCE_", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the command line says, then the environment, then the file that SEDUCE_SETTINGS_FILE names."""
        file = settings_file()
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=file)

    host: str = Field(default="127.0.0.1", description="Address the web server listens on.")
    port: int = Field(
        default=8081, ge=0, le=65535, description="Port of the page and the API; 0 takes a free one."
    )
    description_dir: Path = Field(
        default=Path("examples/datacenter"),
        description="Folder of the YAML files that describe the data centre.",
    )
    data_dir: Path = Field(
        default=Path("var"), description="Folder for the spool and, by default, the databases."
    )
    store_url: str = Field(
        default="",
        description="Time series store: duckdb:///path, influxdb+http://user:password@host:8086/database (1.x) or "
        "influxdb+http://host:8086/bucket?org=…&token=… (2.x); empty means series.duckdb in data_dir.",
    )
    store_memory_mb: int = Field(
        default=256,
        ge=64,
        description="Memory in MB that the embedded store may keep; what needs more goes by way of the disk.",
    )
    database_url: str = Field(default="", description="Relational database; empty means SQLite in data_dir.")
    bus_url: str = Field(default="memory://", description="Live bus: memory:// or redis://host:port/db.")
    broker_url: str = Field(
        default="",
        description="Broker of the Celery workers: redis://host:port/db; empty means the live bus where that is Redis.",
    )
    ingest_host: str = Field(default="127.0.0.1", description="Address that `seduce ingest` listens on.")
    ingest_port: int = Field(
        default=8082, ge=0, le=65535, description="Port of `seduce ingest`; 0 takes a free one."
    )
    cards_host: str = Field(
        default="127.0.0.1", description="Address that `seduce temperature-registerer` listens on."
    )
    cards_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="Port of `seduce temperature-registerer`; 0 takes a free one.",
    )
    ingest_url: str = Field(
        default="http://127.0.0.1:8081",
        description="The ingest door, for crawlers and card receivers that are processes of their own: the address of "
        "`seduce serve` or of `seduce ingest`.",
    )
    ingest_key: SecretStr = Field(
        default=SecretStr(""), description="Device key that those send to the door; better in a file."
    )
    ingest_key_file: str = Field(default="", description="File that holds the device key they send.")
    device_keys: str = Field(
        default="",
        description="Keys the ingest door takes, as name:hash separated by commas (`seduce device-key NAME` makes one). "
        "Without any, only loopback may push.",
    )
    device_keys_file: str = Field(default="", description="File of such keys, name:hash a line.")
    card_networks: str = Field(
        default="127.0.0.0/8,::1/128",
        description="Networks whose temperature cards may push without a key (cards cannot send one), separated by commas.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Names by which browsers may address the server, separated by commas; empty means "
        "127.0.0.1 and localhost where it listens there, and any name elsewhere.",
    )
    public_url: str = Field(
        default="",
        description="Address by which people reach the page, as https://seduce.example.org: mailed links begin with it. Empty "
        "means http:// with SEDUCE_HOST and SEDUCE_PORT.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by "
        "commas.",
    )
    public_read: bool = Field(default=False, description="Whether reads and exports need no log-in.")
    session_idle_minutes: int = Field(
        default=30,
        ge=1,
        description="Minutes without use after which a log-in ends; an open page counts as use.",
    )
    session_hours: int = Field(default=12, ge=1, description="Hours after which a log-in ends in any case.")
    mail_url: str = Field(
        default="",
        description="Mail server: smtp+starttls://user@host:587, smtps://user@host:465, smtp://127.0.0.1:25 (loopback only), or "
        "console: to print mails, links included. Empty means none: mails wait.",
    )
    mail_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the mail server's user; better in a file."
    )
    mail_password_file: str = Field(
        default="", description="File that holds the password of the mail server's user."
    )
    mail_ca_file: str = Field(
        default="", description="Certificates by which the mail server is known, beside the system's."
    )
    mail_from: str = Field(default="SeDuCe dashboard <seduce@localhost>", description="Sender of the mails.")
    introspection: bool = Field(default=True, description="Whether the GraphQL schema may be asked for.")
    explorer: bool = Field(
        default=True, description="Whether /graphql and /api/docs show pages to try the API on."
    )
    persisted_only: bool = Field(
        default=False,
        description="Whether only documents known by their hash may run: the page's own. Notebooks, the explorer and scripts "
        "with documents of their own are then refused.",
    )
    query_max_cost: int = Field(
        default=1_000_000,
        gt=0,
        description="Values one GraphQL operation may ask for; a point of a series counts once for each of its columns.",
    )
    query_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds after which a GraphQL query or mutation is stopped."
    )
    query_max_kb: int = Field(
        default=256, gt=0, description="Size in kB of the largest GraphQL request that is read."
    )
    spool_max_mb: int = Field(
        default=2048, gt=0, description="Size in MB at which the spool refuses readings."
    )
    rollup_delay_s: float = Field(
        default=5.0,
        ge=0,
        description="How long after its end a window waits for stragglers before it is rolled up, in seconds.",
    )
    retention_raw_days: int = Field(
        default=0,
        ge=0,
        description="Days that raw readings are kept; 0 keeps them for ever. None goes before it is rolled up, and its "
        "roll-ups stay as they are.",
    )
    retention_30s_days: int = Field(
        default=0, ge=0, description="Days that roll-ups of 30 s are kept; 0 keeps them for ever."
    )
    retention_1m_days: int = Field(
        default=0, ge=0, description="Days that roll-ups of 1 min are kept; 0 keeps them for ever."
    )
    retention_1h_days: int = Field(
        default=0, ge=0, description="Days that roll-ups of 1 h are kept; 0 keeps them for ever."
    )
    retention_1d_days: int = Field(
        default=0, ge=0, description="Days that roll-ups of 1 d are kept; 0 keeps them for ever."
    )
    job_retention_days: int = Field(
        default=90, ge=0, description="Days that ended recomputation jobs are kept; 0 keeps them for ever."
    )
    event_retention_days: int = Field(
        default=365, ge=0, description="Days that ended events of sensors are kept; 0 keeps them for ever."
    )
    stuck_hours: int = Field(
        default=6,
        ge=0,
        le=720,
        description="Hours of one and the same value, other than 0, after which a sensor counts as stuck; 0 looks for none.",
    )
    live_max_age_s: float = Field(
        default=60.0, gt=0, description="Age in seconds at which a last value no longer counts as reporting."
    )
    pue_total_node: str = Field(
        default="datacenter", description="Tree node of everything the data centre draws."
    )
    pue_it_node: str = Field(default="hardware_cluster", description="Tree node of the computing equipment.")
    pue_min_coverage: float = Field(
        default=0.9, ge=0, le=1, description="Coverage below which PUE is withheld, 0 to 1."
    )
    log_level: str = Field(default="INFO", description="Least severe level that is logged.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="How lines are logged: text, or json (an object a line)."
    )
    access_log: bool = Field(
        default=False,
        description="Whether each request is logged, with its id, path, status and time; pushes are not.",
    )
    otel_endpoint: str = Field(
        default="",
        description="OpenTelemetry collector that gets a span a request, as http://127.0.0.1:4318; empty means none. Needs the "
        "extra `otel`.",
    )

    @property
    def address(self) -> str:
        """By which people reach the page, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port of that address."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def password_for_mail(self) -> str:
        """Empty where none is set. Raises `UserError` where its file cannot be read."""
        if not self.mail_password_file:
            return self.mail_password.get_secret_value()
        return _secret_in(self.mail_password_file, "SEDUCE_MAIL_PASSWORD_FILE")

    @property
    def broker(self) -> str:
        """The broker's URL; empty where there is none."""
        return self.broker_url or ("" if self.bus_url.startswith("memory:") else self.bus_url)

    def key_for_ingest(self) -> str:
        """The device key to send to the door, empty where none is set. Raises `UserError` where its file cannot be read."""
        if not self.ingest_key_file:
            return self.ingest_key.get_secret_value()
        return _secret_in(self.ingest_key_file, "SEDUCE_INGEST_KEY_FILE")


def _secret_in(file: str, name: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise UserError(f"{name}={file} cannot be read: {cause}") from cause


def settings_file() -> Path | None:
    """The file of `SEDUCE_NAME=value` lines that the environment names. Raises `UserError` where it cannot be read."""
    name = os.environ.get(FILE_VARIABLE)
    if not name:
        return None
    try:
        Path(name).read_text()
    except (OSError, UnicodeDecodeError) as cause:
        raise UserError(f"{FILE_VARIABLE}={name} cannot be read: {cause}") from cause
    return Path(name)


_SECRET_IN_URL: Final = re.compile(r"(?<=://)([^/@\s]*:)[^/@\s]*(?=@)")
_SECRET_IN_QUERY: Final = re.compile(r"(?i)\b(token|password|sslpassword)=[^&\s]+")


def effective(everything: bool = True) -> Iterator[str]:
    """The settings in force, `SEDUCE_NAME=value` and where each comes from, a line each; secrets are not shown.

    Without `everything` only those that differ from how they come. Raises ValidationError for a wrong one.
    """
    settings = Settings()
    file = settings_file()
    written = {name.upper() for name in dotenv_values(file)} if file else set()
    given = {name.upper() for name in os.environ} - {FILE_VARIABLE}
    for name in Settings.model_fields:
        variable = f"SEDUCE_{name.upper()}"
        if variable not in given | written and not everything:
            continue
        source = "environment" if variable in given else str(file) if variable in written else "default"
        yield f"{variable}={shown(name, getattr(settings, name))}  # {source}"
    for variable in sorted(v for v in given | written if v.startswith("SEDUCE_")):
        if variable.removeprefix("SEDUCE_").lower() not in Settings.model_fields:
            where = "the environment" if variable in given else str(file)
            yield f"# {variable} of {where}: there is no such setting"


def shown(name: str, value: object) -> str:
    """A setting's value as it may be shown to anybody."""
    if isinstance(value, SecretStr) or (name == "device_keys" and value):
        return "(not shown)" if str(value) else ""
    text = _SECRET_IN_URL.sub(r"\1(not shown)", str(value))
    return _SECRET_IN_QUERY.sub(r"\1=(not shown)", text)
