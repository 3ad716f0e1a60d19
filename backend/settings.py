"""All settings, read once at the start of a process. Each is an environment variable `SEDUCE_<NAME>`."""

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
    """The settings of an operator. docs/settings.md is generated from them."""

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
        """Return the sources by precedence: command line, environment, then the file that SEDUCE_SETTINGS_FILE names."""
        file = settings_file()
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=file)

    host: str = Field(default="127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(
        default=8081, ge=0, le=65535, description="Port of the page and the API; 0 takes a free one."
    )
    description_dir: Path = Field(
        default=Path("examples/datacenter"),
        description="Folder of the site description, in YAML files.",
    )
    data_dir: Path = Field(
        default=Path("var"), description="Folder for the spool and, by default, for the databases."
    )
    store_url: str = Field(
        default="",
        description="Time series store: duckdb:///path, influxdb+http://user:password@host:8086/database (1.x) or "
        "influxdb+http://host:8086/bucket?org=…&token=… (2.x); empty means series.duckdb in data_dir.",
    )
    store_memory_mb: int = Field(
        default=256,
        ge=64,
        description="Memory limit of the embedded store in MB; larger operations use the disk.",
    )
    database_url: str = Field(default="", description="Relational database; empty means SQLite in data_dir.")
    bus_url: str = Field(default="memory://", description="Live bus: memory:// or redis://host:port/db.")
    broker_url: str = Field(
        default="",
        description="Broker of the Celery workers: redis://host:port/db; empty means the live bus if that is Redis.",
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
        description="Ingest endpoint for crawlers and card receivers in their own processes: the address of `seduce serve` or "
        "`seduce ingest`.",
    )
    ingest_key: SecretStr = Field(
        default=SecretStr(""),
        description="Device key that crawlers and card receivers send to the ingest endpoint; prefer the file.",
    )
    ingest_key_file: str = Field(
        default="", description="File with the device key that crawlers and card receivers send."
    )
    device_keys: str = Field(
        default="",
        description="Device keys that the ingest endpoint accepts, as name:hash, separated by commas. `seduce device-key NAME` "
        "creates one. Without any key, only loopback may push.",
    )
    device_keys_file: str = Field(
        default="",
        description="File of device keys that the ingest endpoint accepts, one name:hash per line.",
    )
    card_networks: str = Field(
        default="127.0.0.0/8,::1/128",
        description="Networks whose temperature cards may push without a key, separated by commas. Cards cannot send a key.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Host names that browsers may use for the server, separated by commas. Empty means 127.0.0.1 and localhost "
        "if the server listens there, else any name.",
    )
    public_url: str = Field(
        default="",
        description="Address of the page for its users, such as https://seduce.example.org; links in e-mails start with it. "
        "Empty means http:// with SEDUCE_HOST and SEDUCE_PORT.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto headers are trusted, "
        "separated by commas.",
    )
    public_read: bool = Field(default=False, description="Allow reads and exports without a log-in.")
    session_idle_minutes: int = Field(
        default=30,
        ge=1,
        description="Minutes without activity after which a session ends; an open page counts as activity.",
    )
    session_hours: int = Field(default=12, ge=1, description="Maximum hours of a session.")
    mail_url: str = Field(
        default="",
        description="Mail server: smtp+starttls://user@host:587, smtps://user@host:465, smtp://127.0.0.1:25 (loopback only), or "
        "console: to print e-mails with their links. Empty means none: e-mails stay queued.",
    )
    mail_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the mail server's user; prefer the file."
    )
    mail_password_file: str = Field(
        default="", description="File with the password of the mail server's user."
    )
    mail_ca_file: str = Field(
        default="",
        description="File of CA certificates that the mail server may use, in addition to the system's.",
    )
    mail_from: str = Field(
        default="SeDuCe dashboard <seduce@localhost>", description="Sender of the e-mails."
    )
    introspection: bool = Field(default=True, description="Allow introspection of the GraphQL schema.")
    explorer: bool = Field(
        default=True, description="Serve pages to explore the API at /graphql and /api/docs."
    )
    persisted_only: bool = Field(
        default=False,
        description="Accept only persisted GraphQL documents: the documents of the page. Documents of notebooks, the explorer "
        "and scripts are then rejected.",
    )
    query_max_cost: int = Field(
        default=1_000_000,
        gt=0,
        description="Maximum cost of a GraphQL operation in values; a point of a series counts once for each of its columns.",
    )
    query_timeout_s: float = Field(
        default=30.0, gt=0, description="Time limit of a GraphQL query or mutation in seconds."
    )
    query_max_kb: int = Field(default=256, gt=0, description="Maximum size of a GraphQL request in kB.")
    spool_max_mb: int = Field(
        default=2048, gt=0, description="Size in MB above which the spool rejects readings."
    )
    rollup_delay_s: float = Field(
        default=5.0,
        ge=0,
        description="Seconds between the end of a window and its roll-up, for readings that arrive late.",
    )
    retention_raw_days: int = Field(
        default=0,
        ge=0,
        description="Retention of raw readings in days; 0 keeps them forever. A reading is deleted only after it is rolled up, "
        "and its roll-ups stay.",
    )
    retention_30s_days: int = Field(
        default=0, ge=0, description="Retention of 30 s roll-ups in days; 0 keeps them forever."
    )
    retention_1m_days: int = Field(
        default=0, ge=0, description="Retention of 1 min roll-ups in days; 0 keeps them forever."
    )
    retention_1h_days: int = Field(
        default=0, ge=0, description="Retention of 1 h roll-ups in days; 0 keeps them forever."
    )
    retention_1d_days: int = Field(
        default=0, ge=0, description="Retention of 1 d roll-ups in days; 0 keeps them forever."
    )
    job_retention_days: int = Field(
        default=90, ge=0, description="Retention of ended recomputation jobs in days; 0 keeps them forever."
    )
    event_retention_days: int = Field(
        default=365, ge=0, description="Retention of ended sensor events in days; 0 keeps them forever."
    )
    stuck_hours: int = Field(
        default=6,
        ge=0,
        le=720,
        description="Hours with the same value, other than 0, after which a sensor counts as stuck; 0 disables the check.",
    )
    live_max_age_s: float = Field(
        default=60.0,
        gt=0,
        description="Maximum age of a last value in seconds for its sensor to count as reporting.",
    )
    pue_total_node: str = Field(
        default="datacenter", description="Tree node of the total consumption of the data centre."
    )
    pue_it_node: str = Field(default="hardware_cluster", description="Tree node of the computing equipment.")
    pue_min_coverage: float = Field(
        default=0.9, ge=0, le=1, description="Minimum coverage for PUE to be shown, 0 to 1."
    )
    log_level: str = Field(default="INFO", description="Minimum level of log lines.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="Format of log lines: text, or json (one object per line)."
    )
    access_log: bool = Field(
        default=False,
        description="Log each request with its id, path, status and duration, except pushes.",
    )
    otel_endpoint: str = Field(
        default="",
        description="OpenTelemetry collector that receives one span per request, such as http://127.0.0.1:4318; empty means "
        "none. Needs the extra `otel`.",
    )

    @property
    def address(self) -> str:
        """The address of the page for its users, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port of `address`."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def password_for_mail(self) -> str:
        """Return the password, or an empty text if none is set. Raise `UserError` if its file cannot be read."""
        if not self.mail_password_file:
            return self.mail_password.get_secret_value()
        return _secret_in(self.mail_password_file, "SEDUCE_MAIL_PASSWORD_FILE")

    @property
    def broker(self) -> str:
        """The URL of the broker; empty if there is none."""
        return self.broker_url or ("" if self.bus_url.startswith("memory:") else self.bus_url)

    def key_for_ingest(self) -> str:
        """Return the device key to send, or an empty text if none is set. Raise `UserError` if its file cannot be read."""
        if not self.ingest_key_file:
            return self.ingest_key.get_secret_value()
        return _secret_in(self.ingest_key_file, "SEDUCE_INGEST_KEY_FILE")


def _secret_in(file: str, name: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise UserError(f"{name}={file} cannot be read: {cause}") from cause


def settings_file() -> Path | None:
    """Return the settings file that the environment names, or None. Raise `UserError` if it cannot be read."""
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
    """Yield the settings in force as lines `SEDUCE_NAME=value  # source`, without secrets.

    Without `everything`, only those that are set somewhere. Raises ValidationError for an invalid one.
    """
    settings = Settings()
    file = settings_file()
    in_file = {name.upper() for name in dotenv_values(file)} if file else set()
    in_environment = {name.upper() for name in os.environ} - {FILE_VARIABLE}
    for name in Settings.model_fields:
        variable = f"SEDUCE_{name.upper()}"
        if variable not in in_environment | in_file and not everything:
            continue
        source = (
            "environment" if variable in in_environment else str(file) if variable in in_file else "default"
        )
        yield f"{variable}={redacted(name, getattr(settings, name))}  # {source}"
    for variable in sorted(v for v in in_environment | in_file if v.startswith("SEDUCE_")):
        if variable.removeprefix("SEDUCE_").lower() not in Settings.model_fields:
            where = "the environment" if variable in in_environment else str(file)
            yield f"# {variable} in {where}: unknown setting"


def redacted(name: str, value: object) -> str:
    """Return the value of a setting as text, without secrets."""
    if isinstance(value, SecretStr) or (name == "device_keys" and value):
        return "(not shown)" if str(value) else ""
    text = _SECRET_IN_URL.sub(r"\1(not shown)", str(value))
    return _SECRET_IN_QUERY.sub(r"\1=(not shown)", text)
