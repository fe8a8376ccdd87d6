"""`kota status`: the status of a city, for people and for programs; exit code 1 if there are problems."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import msgspec

from city.i18n.catalogue import DEFAULT_LANG, LANGS, STATUS_TEXTS, Lang
from city.runtime.options import add_settings, settings_from
from city.runtime.status import CityStatus, Problem, Process, problems_of, read_run, read_status


def run(argv: list[str]) -> int:
    """Exit code 0 if there is no problem, else 1."""
    parser = argparse.ArgumentParser(prog="kota status", description="Say how a city of this machine does.")
    add_settings(parser, ("data", "host", "port"))
    parser.add_argument("--lang", choices=LANGS, default=DEFAULT_LANG, help="Of what is printed.")
    parser.add_argument("--json", action="store_true", help="Everything, for programs.")
    args = parser.parse_args(argv)
    settings = settings_from(args)
    now = datetime.now(UTC)
    address = {"host": settings.host, "port": settings.port}
    status = read_status(settings.data, {**address, **read_run(settings.data)}, now)
    problems = problems_of(status, now)
    print(to_json(status, problems) if args.json else to_text(status, problems, args.lang))
    return 1 if problems else 0


def to_json(status: CityStatus, problems: list[Problem]) -> str:
    """The status, whether all is well, and each problem with its English words."""
    reasons = [{"key": problem.key, **problem.about, "text": problem.text("en")} for problem in problems]
    document = {"well": not problems, "problems": reasons, **msgspec.to_builtins(status)}
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode()


def to_text(status: CityStatus, problems: list[Problem], lang: Lang) -> str:
    """The verdict, its reasons, and the status, a fact a line."""
    lines = [STATUS_TEXTS.text("unwell" if problems else "well", lang).capitalize()]
    lines += [f"  - {problem.text(lang)}" for problem in problems]
    lines += [STATUS_TEXTS.text("processes", lang), *(_process(process, lang) for process in status.processes)]
    facts = [*_ingest(status, lang), ("disk", _disk(status, lang)), *_detector(status, lang)]
    return "\n".join([*lines, *(f"{STATUS_TEXTS.text(key, lang)}: {words}" for key, words in facts)])


def _process(process: Process, lang: Lang) -> str:
    if process.pid is None:
        return f"  {process.name}: {STATUS_TEXTS.text('down', lang)}"
    words = [STATUS_TEXTS.text("pid", lang, pid=process.pid)]
    if process.age_s is not None:
        words.append(STATUS_TEXTS.text("age", lang, age=timedelta(seconds=round(process.age_s))))
    words += [STATUS_TEXTS.plural("restarts", lang, process.restarts)] if process.restarts else []
    words += [STATUS_TEXTS.plural("hangs", lang, process.hangs)] if process.hangs else []
    doing = ", ".join(f"{beat.part} ({beat.doing})" if beat.doing else beat.part for beat in process.beats)
    return f"  {process.name}: {', '.join(words)}" + (f"; {doing}" if doing else "")


def _ingest(status: CityStatus, lang: Lang) -> list[tuple[str, str]]:
    ingest = status.ingest
    if ingest is None:
        return [(key, STATUS_TEXTS.text("unknown", lang)) for key in ("broker", "store", "journal")]
    journal = STATUS_TEXTS.plural("waiting", lang, ingest.journal_depth, lag_s=round(ingest.lag_s))
    if ingest.journal != "ok":
        journal = f"{STATUS_TEXTS.text('full', lang)}, {journal}"
    note = f" ({ingest.note})" if ingest.note else ""
    store = STATUS_TEXTS.text("away" if ingest.store == "away" else "ok", lang) + note
    facts = [("broker", STATUS_TEXTS.text("connected" if ingest.connected else "disconnected", lang))]
    if ingest.canary_age_s is not None:
        facts.append(("canary", STATUS_TEXTS.text("canary_age", lang, age_s=round(ingest.canary_age_s))))
    return [*facts, ("store", store), ("journal", journal)]


def _detector(status: CityStatus, lang: Lang) -> list[tuple[str, str]]:
    """The learned detector of the cameras; nothing where no camera has run."""
    if status.detector is None:
        return []
    is_used = status.detector.model and not status.detector.reason
    return [("detector", status.detector.model if is_used else STATUS_TEXTS.text("no_detector", lang))]


def _disk(status: CityStatus, lang: Lang) -> str:
    if status.disk_free_bytes is None or status.disk_bytes is None:
        return STATUS_TEXTS.text("unknown", lang)
    return STATUS_TEXTS.text("free", lang, free_mb=status.disk_free_bytes >> 20, all_mb=status.disk_bytes >> 20)
