"""The file of a backup, streamed: a header line, a key encrypted with a passphrase, a tar archive encrypted for it.

KOTA-BACKUP 1
-----BEGIN AGE ENCRYPTED FILE-----      an X25519 identity, encrypted with the passphrase
-----END AGE ENCRYPTED FILE-----
age-encryption.org/v1 ...               tar, encrypted for that identity; its last member is the manifest

Both parts are age's own format: `age` and `tar` read them without us. age's stream notices every changed or missing
byte. The key in between is there because only encryption for a key is streamed: memory stays at some 50 MB however
large a city is. The passphrase goes through scrypt, tuned by age to this machine: up to 512 MB for some seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

import msgspec

from city.errors import ConfigError, KotaError

FORMAT: Final = 1
SCHEMA: Final = 1
"""Version of the data folder's layout; raised when an older program could not read it."""
MANIFEST: Final = "manifest.json"
_HEAD: Final = "KOTA-BACKUP"
_HEAD_MAX_BYTES: Final = 8_192
_END: Final = b"-----END AGE ENCRYPTED FILE-----"
_CHUNK_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 16 << 20


class BackupError(KotaError):
    """A backup cannot be made, or cannot be used."""


class FileEntry(msgspec.Struct, frozen=True):
    """One file: its path in the data folder, size in bytes, and SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """Manifest of a backup; `cut_at` is the time of the copy, UTC: everything up to it is in the backup."""

    schema: int
    version: str
    city: str
    store: str
    cut_at: datetime
    files: tuple[FileEntry, ...]


class ArchiveWriter:
    """Adds files to the archive and keeps their hashes."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self.entries: list[FileEntry] = []

    def add(self, name: str, path: Path) -> None:
        """Add a file; one that is replaced meanwhile is taken as it was when opened.

        Raises:
            BackupError: It shrank while it was read.
            FileNotFoundError: It was deleted.
        """
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_size <= _SMALL_BYTES:
                content = file.read()
                self._add(name, io.BytesIO(content), len(content), stat.st_mtime)
            else:
                self._add(name, file, stat.st_size, stat.st_mtime)

    def _add(self, name: str, source: Any, size: int, mtime: float) -> None:  # noqa: ANN401 - anything with `read`
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, mtime
        hashed = _Hashing(source)
        try:
            self._archive.addfile(member, hashed)
        except OSError as exc:
            if hashed.short_of(size):
                raise BackupError(f"{name} has become shorter while it was read") from exc
            raise
        self.entries.append(FileEntry(name, size, hashed.digest.hexdigest()))

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, which ends the archive."""
        raw = msgspec.json.encode(manifest)
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(raw)
        self._archive.addfile(member, io.BytesIO(raw))


class _Hashing:
    """A file whose content is hashed as it is read."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - anything with `read`
        self._source = source
        self._count = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._source.read(size)
        self._count += len(data)
        self.digest.update(data)
        return data

    def short_of(self, size: int) -> bool:
        return self._count < size


def write_backup(out: BinaryIO, passphrase: str, fill: Callable[[ArchiveWriter], None]) -> None:
    """Write a whole backup.

    Args:
        out: Target file, at its beginning.
        passphrase: Passphrase that decrypts it.
        fill: Adds all files, the manifest last; called in a thread of its own.

    Raises:
        BackupError: Something could not be read or written.
    """
    age = _age()
    identity = age.x25519.Identity.generate()
    out.write(f"{_HEAD} {FORMAT}\n".encode())
    out.write(age.passphrase.encrypt(str(identity).encode(), passphrase, armored=True).rstrip() + b"\n")

    def produce(pipe: BinaryIO) -> None:
        with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK_BYTES) as archive:
            fill(ArchiveWriter(archive))

    with _pipe_from(produce) as source:
        try:
            age.encrypt_io(source, out, [identity.to_public()])
        except (age.EncryptError, OSError) as exc:
            raise BackupError(f"the backup cannot be written: {exc}") from exc


def read_backup(source: BinaryIO, passphrase: str, take: Callable[[tarfile.TarInfo, BinaryIO], None]) -> Manifest:
    """Read a whole backup, file by file; it is verified only when this returns.

    Args:
        source: The file, at its beginning.
        passphrase: Passphrase with which it was made.
        take: Called with each member of the archive and its content.

    Returns:
        The manifest; the backup holds exactly its files, with their sizes and hashes.

    Raises:
        BackupError: It is no backup, of a newer version, altered or truncated, or the passphrase is wrong.
    """
    age = _age()
    identity = _identity(source, passphrase)

    def produce(pipe: BinaryIO) -> None:
        try:
            age.decrypt_io(source, pipe, [identity])
        except (age.DecryptError, OSError) as exc:
            raise BackupError(f"the file is altered or cut off: {exc}") from exc

    with _pipe_from(produce) as pipe:
        try:
            with tarfile.open(fileobj=pipe, mode="r|", bufsize=_CHUNK_BYTES) as archive:
                manifest = _read_members(archive, take)
            while pipe.read(_CHUNK_BYTES):
                pass  # up to the very end, so that its check is made
        except tarfile.TarError as exc:
            raise BackupError(f"the file is altered or cut off: {exc}") from exc
    return manifest


def _read_members(archive: tarfile.TarFile, take: Callable[[tarfile.TarInfo, BinaryIO], None]) -> Manifest:
    entries: dict[str, FileEntry] = {}
    for member in archive:
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise BackupError(f"the file holds {member.name!r}, which is no file")
        if member.name == MANIFEST:
            manifest = _manifest(content.read(_SMALL_BYTES * 16))
            _compare(manifest, entries)
            return manifest
        if member.name in entries or not _is_within(member.name):
            raise BackupError(f"the file holds {member.name!r}, which is no path of a city")
        hashed = _Hashing(content)
        take(member, hashed)  # type: ignore[arg-type]
        entries[member.name] = FileEntry(member.name, member.size, hashed.digest.hexdigest())
    raise BackupError("the file has no manifest: it is cut off")


def _manifest(raw: bytes) -> Manifest:
    try:
        schema = msgspec.json.decode(raw).get("schema")
        if not isinstance(schema, int) or schema > SCHEMA:
            raise BackupError(
                f"the backup is of a newer version (schema {schema}, this one knows up to {SCHEMA}); update first"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, AttributeError) as exc:
        raise BackupError(f"the manifest cannot be read: {exc}") from exc


def _compare(manifest: Manifest, stored: dict[str, FileEntry]) -> None:
    listed = {entry.path: entry for entry in manifest.files}
    for path in sorted(listed.keys() | stored.keys()):
        if listed.get(path) != stored.get(path):
            raise BackupError(f"{path} is not as the manifest says")


def _is_within(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _identity(source: BinaryIO, passphrase: str) -> Any:  # noqa: ANN401 - of a library without types
    age = _age()
    words = source.readline(_HEAD_MAX_BYTES).split()
    if len(words) != 2 or words[0] != _HEAD.encode() or not words[1].isdigit():  # noqa: PLR2004 - name and number
        raise BackupError("the file is no backup of a city")
    if int(words[1]) != FORMAT:
        raise BackupError(f"the backup has format {int(words[1])}, this version reads {FORMAT}; update first")
    armored = b""
    while not armored.rstrip().endswith(_END):
        line = source.readline(_HEAD_MAX_BYTES)
        armored += line
        if not line or len(armored) > _HEAD_MAX_BYTES:
            raise BackupError("the file is altered or cut off: its key is not whole")
    try:
        return age.x25519.Identity.from_str(age.passphrase.decrypt(armored, passphrase).decode())
    except (age.DecryptError, age.IdentityError, UnicodeDecodeError) as exc:
        raise BackupError("the passphrase is wrong, or the beginning of the file is altered") from exc


@contextmanager
def _pipe_from(produce: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Reading end of a pipe that a thread writes; an error of the thread is raised here, before any other."""
    read, write = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(write, "wb", _CHUNK_BYTES) as pipe:
                produce(pipe)
        except BaseException as exc:  # noqa: BLE001 - raised again by who waits
            failed.append(exc)

    thread = threading.Thread(target=run, name="backup-pipe", daemon=True)
    thread.start()
    ours: BaseException | None = None
    with os.fdopen(read, "rb", _CHUNK_BYTES) as source:
        try:
            yield source
        except BaseException as exc:  # noqa: BLE001 - raised again below
            ours = exc
    thread.join()
    first = next((exc for exc in failed if not _is_broken_pipe(exc)), None)
    if first is not None:
        raise first from ours
    if ours is not None:
        raise ours


def _is_broken_pipe(exc: BaseException) -> bool:
    """Whether a thread failed only because its reader was closed."""
    return isinstance(exc, BrokenPipeError) or "Broken pipe" in str(exc)


def _age() -> Any:  # noqa: ANN401 - a library without types
    try:
        import pyrage  # noqa: PLC0415 - of the extra `backup`
    except ImportError as exc:
        raise ConfigError("pyrage is missing, which encrypts backups (extra `backup`)") from exc
    return pyrage


def sync_tree(folder: Path) -> None:
    """Have everything below a folder survive a power cut."""
    with contextlib.suppress(OSError):
        os.sync()
    for path in (folder, folder.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
