"""`kota evidence`: verify, list accesses, export and delete the evidence of dumping."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from city.i18n.catalogue import DEFAULT_LANG, LANGS
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import Secrets
from city.runtime.service import own_city
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file
from city.storage.signatures import PublicKeys, read_public
from vision.evidence.custody.log import PUBLIC_NAME
from vision.evidence.custody.verify import verify
from vision.evidence.encryption import PUBLIC_NAME as CLEAR_PUBLIC_NAME
from vision.evidence.encryption import key_file, new_private_key, public_of
from vision.evidence.export import export_case
from vision.evidence.retention import enforce, lifetimes_of
from vision.evidence.store import EvidenceStore, head_copy_path, open_evidence_store
from vision.evidence.subject import describe

FROM: Final = "command line"
_SETTINGS: Final = (
    "data", "city", "evidence_days", "evidence_confirmed_days", "evidence_rejected_days", "evidence_max_mb",
)  # fmt: skip

Action = Callable[[argparse.Namespace, Settings, EvidenceStore], int]


def run(argv: list[str]) -> int:
    """Run one action; 1 if `verify` finds a fault or `expire` deletes nothing because of the clock."""
    parser = argparse.ArgumentParser(prog="kota evidence", description="The evidence of dumping cases.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, (_, words, add) in _ACTIONS.items():
        action = actions.add_parser(name, help=words, description=words)
        add(action)
        add_settings(action, _SETTINGS)
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if args.action == "verify" and args.keys:  # that needs no secret of the city
        return _verify(args, settings.data / "evidence", read_public(args.keys), head_copy_path(settings.data))
    return _ACTIONS[args.action][0](args, settings, open_evidence_store(settings, Secrets.of(settings)))


def _verify_own(args: argparse.Namespace, settings: Settings, store: EvidenceStore) -> int:
    return _verify(args, store.folder, _own_keys(settings, store), store.head_copy)


def _verify(args: argparse.Namespace, folder: Path, keys: PublicKeys, head_copy: Path | None) -> int:
    report = verify(folder, keys, args.case, head_copy)
    if args.json:
        print(json.dumps({"intact": report.intact, **asdict(report)}, indent=1))
    else:
        for fault in report.faults:
            print(f"{fault.kind:12}  {fault.where}: {fault.detail}")
        print(f"{report.cases} cases, {report.files} files, {report.entries} entries of the log; head {report.head}")
        print("intact" if report.intact else "NOT intact")
    return 0 if report.intact else 1


def _own_keys(settings: Settings, store: EvidenceStore) -> PublicKeys:
    """Public keys beside the evidence. The file must hold our own key: a file without it proves nothing."""
    path = store.folder / PUBLIC_NAME
    if not path.exists():
        return store.custody.public_keys
    keys = read_public(path)
    if store.custody.key_id not in keys:
        raise ConfigError(f"{path}: is not of the key in {settings.data}")
    return keys


def _accesses(args: argparse.Namespace, _settings: Settings, store: EvidenceStore) -> int:
    entries = store.custody.entries(args.case)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(entries), indent=1).decode())
    else:
        for entry in entries:
            print(f"{entry.at:%Y-%m-%dT%H:%M:%SZ}  {entry.kind:8}  {entry.case}  {describe(entry)}")
    return 0


def _export(args: argparse.Namespace, settings: Settings, store: EvidenceStore) -> int:
    city = own_city(settings)
    out = args.out or Path(f"{args.case}.zip")
    if out.exists():
        raise ConfigError(f"{out} is there already")
    packed = export_case(store, city, args.case, args.lang, by=FROM, user=_user(), to=str(out))
    replace_file(out, packed)
    print(f"{out}: {len(packed)} bytes")
    return 0


def _forget(args: argparse.Namespace, _settings: Settings, store: EvidenceStore) -> int:
    if args.case not in store.records():
        raise ConfigError(f"the custody log knows no case {args.case!r}")
    store.delete(args.case, "erasure", reason=args.why, by=FROM, user=_user())
    print(f"{args.case}: its files are deleted; that it was, and why, stays in the custody log")
    return 0


def _expire(args: argparse.Namespace, settings: Settings, store: EvidenceStore) -> int:
    result = enforce(store, lifetimes_of(settings), datetime.now(UTC), trust_clock=args.trust_clock)
    for due in result.deleted:
        print(f"deleted {due.case} ({due.why})")
    print(result.held_back or f"{len(result.deleted)} cases deleted")
    return 1 if result.held_back else 0


def _clear_key(args: argparse.Namespace, _settings: Settings, store: EvidenceStore) -> int:
    public_path = store.folder / CLEAR_PUBLIC_NAME
    for path in (args.out, public_path):
        if path.exists():
            raise ConfigError(f"{path} is there already; what was encrypted for it could not be decrypted any more")
    private = new_private_key()
    store.folder.mkdir(parents=True, exist_ok=True)
    replace_file(args.out, key_file(private))
    replace_file(public_path, f"{public_of(private)}\n")
    print(f"{args.out}: the private key; KOTA_EVIDENCE_CLEAR_KEY={args.out} for the API, and a copy in a safe")
    print(f"{public_path}: the public key, for the camera workers; sites say `clear_copies` in sites.csv")
    return 0


def _user() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", nargs="?", help="One case; all of them without.")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="Public keys that were kept elsewhere.")
    parser.add_argument("--json", action="store_true", help="One JSON document.")


def _add_accesses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", nargs="?", help="One case; all of them without.")
    parser.add_argument("--json", action="store_true", help="One JSON document.")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", help="Its id.")
    parser.add_argument("--out", type=Path, metavar="FILE", help="CASE.zip here unless given.")
    parser.add_argument("--lang", choices=LANGS, default=DEFAULT_LANG, help="Of the report.")


def _add_forget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", help="Its id.")
    parser.add_argument("--why", required=True, help="What the custody log shall say.")


def _add_expire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust-clock", action="store_true", help="Delete although the clock seems to have jumped.")


def _add_clear_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="Where the private key goes.")


_ACTIONS: Final[dict[str, tuple[Action, str, Callable[[argparse.ArgumentParser], None]]]] = {
    "verify": (
        _verify_own,
        "Compare files, log and signatures; exit 1 when anything is wrong.",
        _add_verify,
    ),
    "accesses": (_accesses, "Who kept, saw, exported, reviewed and deleted what.", _add_accesses),
    "export": (_export, "One case as an archive with a report (PDF).", _add_export),
    "forget": (_forget, "Delete the files of one case, with a reason.", _add_forget),
    "expire": (
        _expire,
        "Delete what is older than its retention; the API does it every hour.",
        _add_expire,
    ),
    "clear-key": (_clear_key, "Make the key pair of encrypted clear copies (with people).", _add_clear_key),
}
