"""The folders of a city's data folder, and files that earlier versions kept elsewhere in it.

What a service reads or writes lies in folders: a container mounts those that it needs, and never the data folder
itself, which has the city's key.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

AUDIT_FOLDER: Final = "audit"
CUSTODY_FOLDER: Final = "custody"
SECRETS_FOLDER: Final = "secrets"
GRAFANA_FOLDER: Final = "grafana"
"""What Grafana reads, which runs as another user: public keys."""
FOLDERS: Final = (
    "alive", AUDIT_FOLDER, "backup", "broker", "codecs", "connected", CUSTODY_FOLDER, "devices", "edge", "evidence",
    "gateways", GRAFANA_FOLDER, "ingest", "inventory", "map", "models", "notifications", "passwords", "planning",
    "profiles", SECRETS_FOLDER, "stills", "store", "vision", "zones",
)  # fmt: skip
"""What containers mount of the data folder."""
_MOVED: Final = {
    "audit.pub": f"{AUDIT_FOLDER}/audit.pub",
    "audit.head": f"{AUDIT_FOLDER}/audit.head",
    "custody.noted": f"{CUSTODY_FOLDER}/custody.noted",
    "influx/ingest.token": f"{SECRETS_FOLDER}/ingest/influx.token",
    "influx/api.token": f"{SECRETS_FOLDER}/api/influx.token",
    "influx/grafana.token": f"{SECRETS_FOLDER}/grafana/influx.token",
}
"""Old path to new path."""


def make_folders(data: Path) -> None:
    """Make the folders, readable for their owner alone, but for Grafana's."""
    for name in FOLDERS:
        (data / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / GRAFANA_FOLDER).chmod(0o755)


def move_old_files(data: Path) -> None:
    """Move files of earlier versions to where they are now; a file that is there already stays as it is."""
    for old, new in _MOVED.items():
        source, target = data / old, data / new
        with contextlib.suppress(OSError):  # there is none, or another process has moved it
            if source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                source.rename(target)
