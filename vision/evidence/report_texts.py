"""Texts of the report on a case and of the archive's README; key to (Indonesian, English)."""

from __future__ import annotations

from typing import Final, Literal

Lang = Literal["id", "en"]

LANGS: Final[tuple[Lang, ...]] = ("id", "en")

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Laporan dugaan pembuangan sampah liar", "Report on suspected illegal dumping"),
    "simulated": ("SIMULASI: kasus ini bukan kejadian nyata", "SIMULATED: this case never happened"),
    "facts": ("Kejadian", "What happened"),
    "case": ("Nomor kasus", "Case"),
    "place": ("Lokasi", "Place"),
    "kelurahan": ("Kelurahan", "Kelurahan"),
    "camera": ("Kamera", "Camera"),
    "since": ("Sampah diletakkan", "Waste put down"),
    "hours": ("Jam buang yang diizinkan", "Permitted hours"),
    "zone": ("Bagian lokasi", "Part of the place"),
    "zone_watch": ("Area yang diawasi", "Watched area"),
    "zone_container": ("Di dalam bak", "Inside the container"),
    "zone_beside": ("Di samping bak (dilarang setiap saat)", "Beside the container (forbidden at any hour)"),
    "by": ("Dibawa oleh", "Brought"),
    "by_foot": ("Orang berjalan kaki", "By somebody on foot"),
    "by_vehicle": ("Kendaraan", "By vehicle"),
    "by_unknown": ("Tidak diketahui", "Not known"),
    "verdict": ("Hasil pemeriksaan", "Review"),
    "verdict_": ("Belum diperiksa petugas", "Not reviewed yet"),
    "verdict_confirmed": ("Dibenarkan petugas", "Confirmed"),
    "verdict_rejected": ("Ditolak petugas: bukan pembuangan liar", "Rejected: no illegal dumping"),
    "verdict_merged": ("Digabung dengan kasus lain", "Merged with another case"),
    "verdict_reopened": ("Dibuka kembali, belum diperiksa", "Reopened, not reviewed yet"),
    "pictures": ("Gambar", "Pictures"),
    "before": ("Sebelum: tempat ini tanpa sampah tersebut", "Before: the place without the waste"),
    "deposit": ("Saat sampah diletakkan", "As the waste was put down"),
    "after": ("Sesudah: sampah di dalam bingkai merah", "After: the waste inside the red frame"),
    "no_picture": (
        "Gambar ini tidak dapat ditampilkan di sini; berkasnya ada dalam arsip.",
        "This picture cannot be shown here; its file is in the archive.",
    ),
    "clip": (
        "Rekaman 10 detik sebelum sampai 10 detik sesudahnya: {name}",
        "Clip from 10 s before to 10 s after: {name}",
    ),
    "privacy": (
        (
            "Orang disamarkan sebelum gambar disimpan; gambar tanpa samaran tidak ada dalam berkas ini. Deteksi dibuat "
            "oleh komputer dan merupakan dugaan sampai diperiksa petugas."
        ),
        (
            "People were pixelated before anything was stored; this archive holds no other picture. A computer made "
            "the detection: it is a suspicion until an official has reviewed it."
        ),
    ),
    "files": ("Berkas dan sidik jari SHA-256", "Files and their SHA-256"),
    "custody": ("Siapa menyimpan, melihat, memeriksa, dan mengekspor", "Who kept, saw, reviewed and exported it"),
    "kept": ("disimpan oleh kamera", "kept by the camera"),
    "looked": ("dilihat", "looked at"),
    "exported": ("diekspor", "exported"),
    "reviewed": ("diperiksa", "reviewed"),
    "deleted": ("dihapus", "deleted"),
    "fault": ("gangguan catatan", "fault of the log"),
    "said_file": ("berkas", "file"),
    "said_role": ("peran", "role"),
    "said_address": ("alamat", "address"),
    "said_to": ("kepada", "to"),
    "said_by": ("lewat", "by"),
    "said_user": ("pengguna", "user"),
    "said_verdict": ("hasil", "verdict"),
    "said_reason": ("alasan", "reason"),
    "said_why": ("sebab", "why"),
    "said_clear": ("tanpa samaran", "clear copy"),
    "older": ("{n} catatan lain ada di custody.jsonl", "{n} more entries are in custody.jsonl"),
    "check": ("Cara memeriksa keaslian", "How to check that it is genuine"),
    "check_text": (
        (
            "Setiap berkas harus memiliki sidik jari SHA-256 yang tertulis di atas (sha256sum NAMA). Setiap baris "
            "custody.jsonl ditandatangani dengan kunci kota (Ed25519); kunci umumnya ada di custody.pub. Tanyakan "
            "kepada kota apakah kuncinya {fingerprint}. BACA-SAYA.txt menjelaskan langkahnya."
        ),
        (
            "Every file must have the SHA-256 written above (sha256sum NAME). Each line of custody.jsonl is signed "
            "with the city's key (Ed25519), whose public half is in custody.pub. Ask the city whether its key is "
            "{fingerprint}. READ-ME.txt shows the steps."
        ),
    ),
    "made": ("Dibuat {time}", "Made {time}"),
    "page": ("Halaman {n} dari {{nb}}", "Page {n} of {{nb}}"),
    "readme": ("BACA-SAYA.txt", "READ-ME.txt"),
    "report": ("laporan.pdf", "report.pdf"),
    "readme_text": (
        """Bukti kasus {case}

1. Sidik jari: jalankan `sha256sum *` di folder ini dan bandingkan dengan baris "kept" di custody.jsonl.
2. Tanda tangan sebuah baris custody.jsonl: hapus `,"sig":"..."` dari baris itu (tanpa baris baru) dan simpan
   sebagai baris.json; simpan isi sig sebagai sig.txt, lalu:
     base64 -d sig.txt > sig.bin
     openssl pkeyutl -verify -pubin -inkey custody.pub -rawin -in baris.json -sigfile sig.bin
3. Seluruh catatan kota diperiksa di servernya dengan `./kota evidence verify`.
""",
        """Evidence of case {case}

1. Fingerprints: run `sha256sum *` in this folder and compare with the line "kept" in custody.jsonl.
2. The signature of a line of custody.jsonl: remove `,"sig":"..."` from it (no line end) and save it as line.json;
   save what sig holds as sig.txt, then:
     base64 -d sig.txt > sig.bin
     openssl pkeyutl -verify -pubin -inkey custody.pub -rawin -in line.json -sigfile sig.bin
3. The city's whole log is checked on its server with `./kota evidence verify`.
""",
    ),
}


def text(key: str, lang: Lang, **values: object) -> str:
    """A text in a language."""
    template = _TEXTS[key][LANGS.index(lang)]
    return template.format(**values) if values else template


def has_text(key: str) -> bool:
    """Whether the key exists."""
    return key in _TEXTS
