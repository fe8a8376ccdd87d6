"""`kota status`: one picture of a city, for people and for programs; 1, with the reasons, when it is not well."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import msgspec

from city.options import add_settings, settings_from
from city.status import Picture, Problem, Process, look, problems_of, read_run
from city.status_texts import LANGS, Lang, text


def run(argv: list[str]) -> int:
    """0 when all is well, 1 when not."""
    parser = argparse.ArgumentParser(prog="kota status", description="Say how a city of this machine does.")
    add_settings(parser, ("data", "host", "port"))
    parser.add_argument("--lang", choices=LANGS, default=LANGS[0], help="Of what is printed.")
    parser.add_argument("--json", action="store_true", help="Everything, for programs.")
    args = parser.parse_args(argv)
    settings = settings_from(args)
    now = datetime.now(UTC)
    address = {"host": settings.host, "port": settings.port}
    picture = look(settings.data, {**address, **read_run(settings.data)}, now)
    problems = problems_of(picture, now)
    print(to_json(picture, problems) if args.json else to_text(picture, problems, args.lang))
    return 1 if problems else 0


def to_json(picture: Picture, problems: list[Problem]) -> str:
    """The picture, whether all is well, and each problem with its English words."""
    reasons = [{"key": one.key, **one.about, "text": text("en", one.key, **one.about)} for one in problems]
    whole = {"well": not problems, "problems": reasons, **msgspec.to_builtins(picture)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode()


def to_text(picture: Picture, problems: list[Problem], lang: Lang) -> str:
    """The verdict, its reasons, and the picture, a fact a line."""
    lines = [text(lang, "unwell" if problems else "well").capitalize()]
    lines += [f"  - {text(lang, one.key, **one.about)}" for one in problems]
    lines += [text(lang, "processes"), *(_process(one, lang) for one in picture.processes)]
    facts = [*_ingest(picture, lang), ("disk", _disk(picture, lang))]
    return "\n".join([*lines, *(f"{text(lang, key)}: {words}" for key, words in facts)])


def _process(one: Process, lang: Lang) -> str:
    if one.pid is None:
        return f"  {one.name}: {text(lang, 'down')}"
    words = [text(lang, "pid", pid=one.pid)]
    if one.age_s is not None:
        words.append(text(lang, "age", age=timedelta(seconds=round(one.age_s))))
    words += [text(lang, "restarts", restarts=one.restarts)] if one.restarts else []
    words += [text(lang, "hangs", hangs=one.hangs)] if one.hangs else []
    doing = ", ".join(f"{beat.part} ({beat.doing})" if beat.doing else beat.part for beat in one.beats)
    return f"  {one.name}: {', '.join(words)}" + (f"; {doing}" if doing else "")


def _ingest(picture: Picture, lang: Lang) -> list[tuple[str, str]]:
    said = picture.ingest
    if said is None:
        return [(key, text(lang, "unknown")) for key in ("broker", "store", "journal")]
    journal = text(lang, "waiting", depth=said.journal_depth, lag_s=round(said.lag_s))
    if said.journal != "ok":
        journal = f"{text(lang, 'full')}, {journal}"
    store = text(lang, "away" if said.store == "away" else "ok") + (f" ({said.note})" if said.note else "")
    facts = [("broker", text(lang, "connected" if said.connected else "disconnected"))]
    if said.canary_age_s is not None:
        facts.append(("canary", text(lang, "canary_age", age_s=round(said.canary_age_s))))
    return [*facts, ("store", store), ("journal", journal)]


def _disk(picture: Picture, lang: Lang) -> str:
    if picture.disk_free_bytes is None or picture.disk_bytes is None:
        return text(lang, "unknown")
    return text(lang, "free", free_mb=picture.disk_free_bytes >> 20, all_mb=picture.disk_bytes >> 20)
