"""`kota mosquitto`: writes Mosquitto's files for a city; run it again when the inventory changes."""

from __future__ import annotations

import argparse
import os
import pwd
from pathlib import Path
from typing import Final

from broker.accounts import AccountPasswords, CurrentRights
from broker.mosquitto.files import TLS_FILES, MosquittoLayout, texts
from city.errors import ConfigError
from city.runtime.gateways import Gateways
from city.runtime.options import add_settings, settings_from
from city.runtime.password_changes import PasswordChanges, utc_now
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets
from city.runtime.service import whole_city
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file

_OWN_MODE: Final = 0o600
_GROUP_MODE: Final = 0o640


def run(argv: list[str]) -> int:
    """Write the files that changed, and print what has to be done."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    layout = layout_of(settings, args.out, args.state, args.bind, args.tls_dir, args.tls_port, args.user)
    written = write(settings, layout)
    for name, is_new in written.items():
        print(f"{'written  ' if is_new else 'unchanged'} {layout.folder / name}")
    if written["mosquitto.conf"]:
        print(f"start Mosquitto, or start it again: mosquitto -c {layout.folder / 'mosquitto.conf'}")
    elif any(written.values()):
        print("a running Mosquitto reads them at SIGHUP: kill -HUP its process")
    for line in _overlap_lines(settings):
        print(line)
    return 0


def _overlap_lines(settings: Settings) -> list[str]:
    """What is said of accounts whose old password is still valid at the embedded broker and over HTTP."""
    now, changes = utc_now(), PasswordChanges(settings.data).changes()
    users = [user for user, change in changes.items() if change and change.old_at(now)]
    return [f"Mosquitto accepts the new password only, without an overlap: {', '.join(users)}"] if users else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota mosquitto",
        description="Write configuration, access rules and passwords of a Mosquitto 2 for the city's inventory.",
    )
    tls = ", ".join(TLS_FILES.values())
    parser.add_argument("--out", type=Path, required=True, help="Folder for mosquitto.conf, acl and passwd.")
    parser.add_argument("--state", type=Path, help="Folder where Mosquitto keeps its queue; OUT/state unless given.")
    parser.add_argument("--bind", default="", help="Address to listen on; every one unless given.")
    parser.add_argument("--tls-dir", type=Path, help=f"Folder with {tls}: listen with TLS too.")
    parser.add_argument("--tls-port", type=int, default=8883, help="Port of that; 8883 unless given.")
    parser.add_argument("--user", default="", help="Account Mosquitto runs as when root starts it: it may read them.")
    add_settings(parser, ("data", "city", "demo", "mqtt_port"))
    return parser


def layout_of(
    settings: Settings,
    out: Path,
    state: Path | None = None,
    bind: str = "",
    tls: Path | None = None,
    tls_port: int = 8883,
    user: str = "",
) -> MosquittoLayout:
    """The layout of the arguments.

    Raises:
        ConfigError: A port is invalid, a TLS file is missing, or the account is unknown.
    """
    for port in (settings.mqtt_port, tls_port):
        if not 0 < port < 1 << 16:
            raise ConfigError(f"{port} is not a port that Mosquitto can listen on")
    missing = [name for name in TLS_FILES.values() if tls and not (tls / name).is_file()]
    if missing:
        raise ConfigError(f"{tls}: lacks {', '.join(missing)}")
    if user:
        _account(user)
    folder = out.resolve()
    state = state.resolve() if state else folder / "state"
    return MosquittoLayout(folder, state, settings.mqtt_port, bind, tls.resolve() if tls else None, tls_port, user)


def write(settings: Settings, layout: MosquittoLayout) -> dict[str, bool]:
    """Write the files; return for each whether it changed.

    Raises:
        ConfigError: The inventory is wrong, a changed password cannot be read, or a folder or file cannot be written.
    """
    city = whole_city(settings)
    gateways = Gateways(settings.data)
    rights = CurrentRights(city, gateways, demo=settings.demo)()
    _make_folders(layout)
    group = _account(layout.user).pw_gid if layout.user else -1
    mode = _GROUP_MODE if layout.user else _OWN_MODE
    secrets = Secrets.make(settings.data)
    passwords = AccountPasswords(secrets, gateways, Passwords(secrets, PasswordChanges(settings.data)))
    wanted = texts(layout, rights, passwords.newest_hash)
    return {name: replace_file(layout.folder / name, text, mode=mode, group=group) for name, text in wanted.items()}


def _make_folders(layout: MosquittoLayout) -> None:
    try:
        layout.folder.mkdir(parents=True, exist_ok=True)
        layout.state.mkdir(parents=True, exist_ok=True)
        if layout.user:
            account = _account(layout.user)
            os.chown(layout.folder, -1, account.pw_gid)
            layout.folder.chmod(0o750)
            os.chown(layout.state, account.pw_uid, account.pw_gid)
    except OSError as exc:
        raise ConfigError(f"{exc.filename}: {exc.strerror}") from exc


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as exc:
        raise ConfigError(f"there is no account {name!r} on this machine") from exc
