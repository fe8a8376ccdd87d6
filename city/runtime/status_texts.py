"""Texts of `kota status`, in Bahasa Indonesia and English."""

from __future__ import annotations

from typing import Final, Literal

Lang = Literal["id", "en"]
LANGS: Final[tuple[Lang, ...]] = ("id", "en")

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "well": ("semuanya berjalan baik", "all is well"),
    "unwell": ("ada masalah", "not all is well"),
    "not_running": ("tidak ada layanan yang berjalan di folder data ini", "no service runs on this data folder"),
    "process_down": ("proses {name} tidak berjalan", "process {name} does not run"),
    "process_hangs": (
        "proses {name} macet: {part} tidak bergerak selama {silent_s} detik",
        "process {name} hangs: {part} has made no progress for {silent_s} s",
    ),
    "process_silent": (
        "proses {name} tidak memberi tanda hidup selama {silent_s} detik",
        "process {name} has given no sign of life for {silent_s} s",
    ),
    "not_ready": ("API menyatakan belum siap: {detail}", "the API says that it is not ready: {detail}"),
    "not_started": ("penerima data belum berjalan", "ingest has not started yet"),
    "silent": ("penerima data tidak memberi kabar", "ingest has said nothing for a while"),
    "no_broker": (
        "penerima data tidak tersambung ke perantara pesan",
        "ingest has no connection to the broker",
    ),
    "deaf": (
        "penerima data tersambung ke perantara pesan, tetapi tidak menerima apa pun",
        "ingest is connected to the broker and hears nothing",
    ),
    "lost_readings": (
        "{count} pembacaan hilang; `kota store lost` menyebutkan alat dan nomornya",
        "{count} readings are lost; `kota store lost` names device and numbers",
    ),
    "damages": (
        "{count} berkas rusak atau terhapus; `kota store lost` menyebutkannya",
        "{count} files were damaged or deleted; `kota store lost` names them",
    ),
    "journal_full": ("antrean di disk tidak menerima pesan", "the journal does not take messages"),
    "store_away": ("penyimpanan tidak dapat dihubungi", "the store is away"),
    "api_silent": ("API tidak menjawab", "the API does not answer"),
    "bad_messages": (
        "terlalu banyak pesan yang tidak dapat dibaca dari {subject}: {bad} dari {of}",
        "too many bad messages of {subject}: {bad} of the last {of}",
    ),
    "broker_full": (
        "penampungan perantara pesan hampir penuh: {waiting_mb} dari {of_mb} MB menunggu penerima data",
        "the broker is nearly full: {waiting_mb} of {of_mb} MB wait for ingest",
    ),
    "refused_topics": (
        "sambungan yang diputus perantara pesan karena topiknya memuat spasi: {count}; pesan itu tidak tersimpan",
        "connections that the broker cut off for a topic with white space: {count}; these messages are not stored",
    ),
    "disk_low": ("ruang disk tinggal {free_mb} MB", "only {free_mb} MB of disk space are left"),
    "processes": ("Proses", "Processes"),
    "down": ("mati", "down"),
    "pid": ("PID {pid}", "pid {pid}"),
    "age": ("umur {age}", "for {age}"),
    "restarts": ("dinyalakan ulang {restarts} kali", "restarted {restarts} times"),
    "hangs": ("macet {hangs} kali", "hung {hangs} times"),
    "broker": ("Perantara pesan", "Broker"),
    "connected": ("tersambung", "connected"),
    "disconnected": ("terputus", "not connected"),
    "canary": ("Pesan terakhir", "Last heard"),
    "canary_age": ("{age_s} detik lalu", "{age_s} s ago"),
    "store": ("Penyimpanan", "Store"),
    "ok": ("baik", "ok"),
    "away": ("tidak dapat dihubungi", "away"),
    "full": ("penuh", "full"),
    "journal": ("Antrean", "Journal"),
    "waiting": ("{depth} pesan menunggu, yang tertua {lag_s} detik", "{depth} messages wait, the oldest {lag_s} s"),
    "disk": ("Disk", "Disk"),
    "free": ("{free_mb} MB bebas dari {all_mb} MB", "{free_mb} MB free of {all_mb} MB"),
    "unknown": ("tidak diketahui", "unknown"),
}
"""Key to text; `{...}` are gaps."""


def text(lang: Lang, key: str, **gaps: object) -> str:
    """A text with its gaps filled."""
    return TEXTS[key][LANGS.index(lang)].format(**gaps)
