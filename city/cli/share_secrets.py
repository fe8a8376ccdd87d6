"""`kota secrets share`: writes for each service in a container the secrets that it needs, and no others.

| service | secrets | passwords that it only compares |
|---|---|---|
| `ingest` | its user at the broker, journal, pseudonyms, its account at InfluxDB | - |
| `api` | audit, custody log, journal, Grafana, its account at InfluxDB, `API_FILES` | of devices, third-party servers |
| `vision` | custody log, users of the watched cameras at the broker | - |
| `simulator` | its user at the broker (a demo) | - |
| `grafana-keys-setup` | Grafana's tokens, of which it writes the public key | - |
| `influxdb-setup` | accounts at InfluxDB | - |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from city.errors import StorageError
from city.inventory.model import City
from city.runtime.data_folder import SECRETS_FOLDER, make_folders, move_old_files
from city.runtime.gateways import Gateways
from city.runtime.secrets import (
    AUDIT,
    CREWS,
    CUSTODY,
    FINGERPRINT,
    GRAFANA,
    JOURNAL,
    PSEUDONYMS,
    Secrets,
    gateway_label,
    influx_label,
    mqtt_label,
)
from city.runtime.service import whole_city
from city.runtime.service_secrets import FILE_NAME, SecretsFile, verifier_of
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file

API_FILES: Final = ("openid*", "notifications.toml")
"""What the API needs of the operator's files: for the sign-in by OpenID Connect (`docs/people.md`) settings, key and
certificates, and the recipients of notifications (`docs/alarms.md`)."""


def share_secrets(settings: Settings) -> list[Path]:
    """Make the folders of a data folder and write each service's file; return the files that have changed.

    Raises:
        ConfigError: The inventory or the key is wrong.
        StorageError: The disk refuses.
    """
    data, secrets = settings.data, Secrets.make(settings.data)
    try:
        make_folders(data)
        move_old_files(data)
        written = []
        for file in _files(settings, secrets):
            path = data / SECRETS_FOLDER / file.service / FILE_NAME
            path.parent.mkdir(mode=0o700, exist_ok=True)
            written += [path] * replace_file(path, msgspec.json.encode(file))
        return written + _copy_api_files(data)
    except OSError as exc:
        raise StorageError(f"{data}: {exc.strerror or exc}") from exc


def _files(settings: Settings, secrets: Secrets) -> Iterable[SecretsFile]:
    city = whole_city(settings)
    labels = {
        "ingest": [mqtt_label("ingest"), JOURNAL, PSEUDONYMS, influx_label("ingest")],
        "api": [AUDIT, CREWS, CUSTODY, JOURNAL, GRAFANA, influx_label("api")],
        "vision": [CUSTODY, *(mqtt_label(camera.id) for camera in city.cameras.values() if camera.source)],
        "simulator": [mqtt_label("simulator")] if settings.demo else [],
        "grafana-keys-setup": [GRAFANA],
        "influxdb-setup": [influx_label(account) for account in ("ingest", "api", "grafana")],
    }
    for service, own in labels.items():
        values = {label: secrets.digest(label).hex() for label in (FINGERPRINT, *own)}
        yield SecretsFile(service, values, dict(_verifiers(settings, city, secrets)) if service == "api" else {})


def _verifiers(settings: Settings, city: City, secrets: Secrets) -> Iterable[tuple[str, str]]:
    for device in city.devices:
        yield mqtt_label(device), verifier_of(secrets.password(device))
    for gateway in Gateways(settings.data).current().values():
        password = secrets.gateway_password(gateway.name, gateway.nonce)
        yield gateway_label(gateway.name, gateway.nonce), verifier_of(password)


def _copy_api_files(data: Path) -> list[Path]:
    """Copy the operator's files for the API to its secrets; those that are gone are deleted there."""
    folder = data / SECRETS_FOLDER / "api"
    paths = [path for pattern in API_FILES for path in sorted(data.glob(pattern))]
    contents: Mapping[str, bytes] = {path.name: path.read_bytes() for path in paths}
    for path in [path for pattern in API_FILES for path in folder.glob(pattern)]:
        if path.name not in contents:
            path.unlink()
    return [folder / name for name, content in contents.items() if replace_file(folder / name, content)]
