"""All settings, built once at start and passed in. Each can be given as an environment variable `SEDUCE_<NAME>`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

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
    public_read: bool = Field(
        default=True, description="Whether reads need no log-in. Only on loopback until accounts exist."
    )
    introspection: bool = Field(default=True, description="Whether the GraphQL schema may be asked for.")
    explorer: bool = Field(default=True, description="Whether /graphql shows the explorer to a browser.")
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

    def key_for_ingest(self) -> str:
        """The device key to send to the door, empty where none is set. Raises `UserError` where its file cannot be read."""
        if not self.ingest_key_file:
            return self.ingest_key.get_secret_value()
        try:
            return Path(self.ingest_key_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as cause:
            raise UserError(
                f"SEDUCE_INGEST_KEY_FILE={self.ingest_key_file} cannot be read: {cause}"
            ) from cause


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
