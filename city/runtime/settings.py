"""Settings of every service: from the command line first, then `KOTA_...` variables, then these defaults."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from city.errors import ConfigError


class Settings(BaseSettings):
    """One flat set for all services; each reads what it needs. Secrets never appear in a repr or a log."""

    model_config = SettingsConfigDict(env_prefix="KOTA_", extra="forbid", frozen=True)

    data: Path = Field(
        Path(__file__).parents[2] / ".kota",
        description="Folder of everything that is kept: journal, store, evidence, keys.",
    )
    secrets_folder: Path | None = Field(
        None,
        description="Folder with the secrets of this service alone (`kota secrets share`); without it, all are derived "
        "from the city's key.",
    )
    city: str = Field("kupang", description="A built-in city, or the folder of one.")
    demo: bool = Field(default=True, description="Simulated data is allowed, and marked; loopback only.")
    host: str = Field("127.0.0.1", description="Address the API and the console listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the API and the console; 0 takes a free one.")
    mqtt_host: str = Field("127.0.0.1", description="Address of the broker.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="Port of the broker; 0 takes a free one.")
    mqtt_version: Literal["3.1.1", "5"] = Field(
        "3.1.1", description="MQTT version to speak; the embedded broker speaks 3.1.1."
    )
    mqtt_client: Literal["auto", "paho", "mqtt5", "nats"] = Field(
        "auto",
        description="Who reads for ingest: nats is for the embedded broker; mqtt5 is faster and needs a broker and "
        "`mqtt_version` of MQTT 5; auto takes it where the broker speaks MQTT 5, and else paho.",
    )
    ingest_processes: Literal["auto", "1", "2"] = Field(
        "auto",
        description="Processes of ingest: with 2, one reads and journals, the other decodes and stores; auto takes 2 "
        "where ingest has a second core and shares its process with no other service.",
    )
    mqtt_ca: Path | None = Field(
        None, description="Certificate of the authority behind the broker's own; without it MQTT is spoken in clear."
    )
    mqtt_plain: bool = Field(
        default=False, description="The embedded broker speaks without TLS although it serves other machines."
    )
    nats_server: str = Field("", description="A nats-server of the system instead of the one that comes with us.")
    broker_max_mb: int = Field(
        1024, ge=16, description="Bound of what the embedded broker keeps for ingest; there it takes no more."
    )
    mqtt_user: str = Field("", description="User at the broker; empty takes the service's own name.")
    mqtt_password: SecretStr = Field(SecretStr(""), description="Its password; empty derives it from the city's key.")
    speed: float = Field(10.0, gt=0, le=3600, description="How many times faster than life the simulated city runs.")
    seed: int = Field(1, description="The same seed gives the same simulated city.")
    clip: Path | None = Field(None, description="A video for the demo camera instead of the rendered scene.")
    clock: str = Field("", pattern=r"^(|([01]\d|2[0-3]):[0-5]\d)$", description="Local time at its start, HH:MM.")
    vision_model: Path | None = Field(
        None, description="An ONNX model that recognises people and vehicles; its `.toml` lies beside it."
    )
    vision_model_fetch: bool = Field(
        default=True, description="A learned detector is fetched once at the start, where none is installed."
    )
    vision_workers: int = Field(0, ge=0, description="Processes that watch cameras; 0 takes one a core but one.")
    journal_max_mb: int = Field(2048, ge=1, description="Bound of the journal; there it stops acknowledging.")
    journal_keep_mb: int = Field(
        256, ge=0, description="What the journal keeps of what is stored, to fill a lost store; 0 keeps nothing."
    )
    journal_keep_h: float = Field(24.0, ge=0, description="Hours that it keeps that, at the most.")
    store: Literal["duckdb", "influx"] = Field("duckdb", description="Embedded DuckDB, or a given InfluxDB.")
    influx_url: str = Field("http://127.0.0.1:8086", description="Address of InfluxDB.")
    influx_database: str = Field("kota", description="Database of InfluxDB 1, bucket of 2.")
    influx_org: str = Field("", description="Organization of InfluxDB 2; empty means version 1.")
    influx_user: str = Field("", description="User of InfluxDB 1; empty without accounts.")
    influx_password: SecretStr = Field(
        SecretStr(""), description="Password of that user; empty derives it from the city's key."
    )
    influx_token: SecretStr = Field(
        SecretStr(""), description="Token of InfluxDB 2; empty takes the one that `kota influx setup` has made."
    )
    influx_admin_user: str = Field("admin", description="First user of InfluxDB, for `kota influx` alone.")
    influx_admin_password: SecretStr = Field(SecretStr(""), description="Its password.")
    influx_admin_token: SecretStr = Field(SecretStr(""), description="Its token, InfluxDB 2.")
    grafana_influx_password: SecretStr = Field(
        SecretStr(""), description="What Grafana reads InfluxDB with; empty derives it from the city's key."
    )
    grafana_url: str = Field("http://127.0.0.1:3000", description="Address of Grafana.")
    grafana_public_url: str = Field(
        "",
        pattern=r"^(|https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/%-]*)?)$",
        description="Address of Grafana as browsers reach it; empty: the console has no link to it.",
    )
    grafana_admin_password: SecretStr = Field(
        SecretStr(""), description="Password of Grafana's user `admin`, for `kota kiosk` alone."
    )
    grafana_wall_password: SecretStr = Field(SecretStr(""), description="Password of Grafana's user `wall`.")
    public_url: str = Field(
        "", description="Address of console and API as browsers reach it; empty means this machine's."
    )
    trusted_proxies: str = Field(
        "",
        description="Reverse proxies whose `X-Forwarded-For` names the client: addresses or networks, comma-separated.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL with the accounts, `postgresql://USER:PASSWORD@HOST/NAME`; empty takes a SQLite file.",
    )
    dead_letters_max_mb: int = Field(256, ge=1, description="Bound of the dead letters; there the oldest give way.")
    sensor_user: str = Field("", description="User at what `kota edge --source` names: a camera, an OpenWrt router.")
    sensor_password: SecretStr = Field(SecretStr(""), description="Its password.")
    snmp_community: SecretStr = Field(SecretStr(""), description="Community of an access point's SNMPv2c.")
    snmp_user: str = Field("", description="User of its SNMPv3; empty means version 2c.")
    snmp_auth_password: SecretStr = Field(SecretStr(""), description="That user's password of authentication.")
    snmp_privacy_password: SecretStr = Field(
        SecretStr(""), description="That user's password of encryption; empty sends readings in clear."
    )
    outbox_max_mb: int = Field(256, ge=1, description="Bound of an edge outbox.")
    retention_days: int = Field(90, ge=1, description="Days that readings are kept.")
    rollup_days: int = Field(730, ge=1, description="Days that five-minute rollups are kept (InfluxDB).")
    event_days: int = Field(1825, ge=1, description="Days that events and dumping cases are kept.")
    evidence_days: int = Field(30, ge=1, description="Days that evidence is kept of cases nobody has judged.")
    evidence_confirmed_days: int = Field(365, ge=1, description="Days that evidence of confirmed cases is kept.")
    evidence_rejected_days: int = Field(
        7, ge=1, description="Days from the rejection of a case to the end of its files."
    )
    evidence_max_mb: int = Field(
        20_480, ge=16, description="Bound of all evidence; there the oldest cases that are not confirmed give way."
    )
    evidence_clear_key: Path | None = Field(
        None, description="Private key of clear copies (`kota evidence clear-key`); for the API alone."
    )
    backup_passphrase: SecretStr = Field(
        SecretStr(""), description="What opens backups, for `kota backup` and `kota restore` alone; empty asks for it."
    )
    late_after_s: float = Field(900.0, gt=0, description="Readings older than this on arrival are marked late.")

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, text: str) -> str:
        for name in filter(None, (part.strip() for part in text.split(","))):
            ip_network(name)  # its ValueError says what is wrong
        return text


def load_settings(**given: object) -> Settings:
    """Settings with those given on the command line (not None) before the environment's.

    Raises:
        ConfigError: A value is out of range or of the wrong kind; names the setting.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as exc:
        lines = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()]
        raise ConfigError("settings: " + "; ".join(lines)) from exc
