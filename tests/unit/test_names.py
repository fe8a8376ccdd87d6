"""Names are the field's: one class a name, functions are verbs or nouns, variables are nouns, old names stay away."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("api", "broker", "city", "dispatch", "edge", "grafana", "ingest", "people", "vision")
IRREGULAR: Final = frozenset(
    [
        "begun",
        "bound",
        "bought",
        "broken",
        "brought",
        "built",
        "done",
        "drawn",
        "driven",
        "found",
        "framed",
        "given",
        "gone",
        "grown",
        "heard",
        "held",
        "hidden",
        "kept",
        "known",
        "laid",
        "left",
        "lost",
        "made",
        "meant",
        "met",
        "paid",
        "said",
        "seen",
        "sent",
        "shown",
        "sold",
        "spent",
        "split",
        "spoken",
        "sworn",
        "taken",
        "thought",
        "told",
        "torn",
        "understood",
        "woken",
        "won",
        "worn",
        "written",
    ]
)
"""Past participles without `-ed`."""
PARTICLES: Final = frozenset(
    {"anew", "away", "back", "by", "for", "in", "of", "off", "on", "out", "since", "to", "up", "with"}
)
VERBS_IN_ED: Final = frozenset(
    {"add", "embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed", "split", "succeed"}
)
"""Verbs that only look like one, or are both."""
NOUNLESS: Final = frozenset({"asked", "each", "found", "it", "news", "one", "said", "thing", "things", "whole"})
"""Words that do not say what a variable or a parameter holds."""
OLD_NAMES: Final = frozenset(
    [
        "AddressBook",
        "AdoptOrder",
        "BadShare",
        "BoardQuery",
        "Darkroom",
        "DeadLetterBox",
        "DepositDetector",
        "DrawnPlan",
        "DurableFile",
        "EvidenceDesk",
        "EvidenceKeeper",
        "EvidenceRoom",
        "FakeCrew",
        "FastSubscriber",
        "ForeignMessage",
        "ForeignReader",
        "Happening",
        "HealthBoard",
        "Heard",
        "IngestWords",
        "Journaled",
        "KnownStranger",
        "LOOKS_MAX",
        "LackingError",
        "Lanes",
        "LatestBoard",
        "LetterState",
        "OF_EVERY_ORIGIN",
        "ONE_LOOK",
        "OnnxFinder",
        "OpenStore",
        "PatientStore",
        "RAISABLE",
        "RecordBook",
        "ReplayOrder",
        "ReviewDesk",
        "SIGNS_OF_LIFE",
        "SIGNS_VARIABLE",
        "STRETCHES_MAX",
        "SignReader",
        "SignWriter",
        "StrangerId",
        "StrangerState",
        "TriedRecord",
        "UnreadOf",
        "WaitingCases",
        "_Owed",
        "_is_news",
        "_leave_signs",
        "_one_at_a_time",
        "_patiently",
        "_small_troubles",
        "_written_anew",
        "big_list",
        "came_by",
        "chosen_by",
        "counted_since",
        "empty_wal",
        "forget_below",
        "fresh_of",
        "heard_uplink",
        "hidden_scene",
        "in_blocks",
        "ingest_trouble",
        "judge_bin",
        "judge_position",
        "judge_time",
        "keep_fitting",
        "keep_posted",
        "kept_bytes",
        "known_of",
        "last_words",
        "leave_out",
        "loads_not_kept",
        "login_for",
        "looked_up",
        "middle_of",
        "named_overrides",
        "not_developed",
        "open_kind",
        "person_of",
        "pictures_of",
        "read_reach",
        "read_sign",
        "read_wide",
        "sealed_name",
        "settled_s",
        "shape_stranger",
        "sign_path",
        "sorted_quality",
        "stamps_of",
        "still_there",
        "stranger_of",
        "surely_wrong",
        "try_profile",
        "turned_s",
        "unit_named",
        "view_of",
        "visitor_of",
        "waiting_refused",
        "waiting_unreadable",
        "why_all_changed",
        "words_of",
        "worker_divided",
    ]
)
"""Names that the field does not use and that were replaced; docs/glossary.md has the new ones."""


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", node


def is_participle(name: str) -> bool:
    """Whether a name is a past participle, alone or with particles; before a noun it is an adjective."""
    word, *rest = name.strip("_").split("_")
    if not PARTICLES.issuperset(rest) or word in VERBS_IN_ED:
        return False
    return word in IRREGULAR or (len(word) > len("used") and word.endswith("ed"))


def returns_bool(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(function.returns and re.search(r"\bbool(_|\b)", ast.unparse(function.returns)))


def bound_names(node: ast.AST) -> Iterator[str]:
    """The names of variables and parameters that a node binds, in whatever way."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def is_nounless(name: str) -> bool:
    """Whether a name of a variable says nothing of what the variable holds."""
    return name.strip("_") in NOUNLESS or name.startswith("its_")


def test_no_class_has_the_name_of_another() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, node in nodes():
        if isinstance(node, ast.ClassDef):
            places[node.name].append(place)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_past_participle_names_only_what_is_true_or_false() -> None:
    assert is_participle("_looked_up")
    assert not is_participle("kept_bytes")
    found = [
        f"{place} {node.name}"
        for place, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and is_participle(node.name)
        and not returns_bool(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "found = 1",
        "found: int = 1",
        "first, *found = items",
        "for _found in items: pass",
        "sum(found for found in items)",
        "with items as found: pass",
        "print(found := 1)",
        "def read(found): pass",
        "def read(*found): pass",
        "def read(*, found): pass",
        "def read(**found): pass",
        "lambda its_length: 1",
        "try: pass\nexcept OSError as found: pass",
        "match items:\n case [0, dict(found)]: pass",
        "match items:\n case [*found]: pass",
        "match items:\n case {**found}: pass",
    ],
)
def test_every_way_to_bind_a_name_is_judged(statement: str) -> None:
    names = [name for node in ast.walk(ast.parse(statement)) for name in bound_names(node)]
    assert [name for name in names if is_nounless(name)], names


def test_uses_keywords_and_longer_names_are_no_bindings() -> None:
    statement = "page.plural(found, found=1)\nself.found = 1\nfound_at = whole_file = unit = 1"
    names = [name for node in ast.walk(ast.parse(statement)) for name in bound_names(node)]
    assert [name for name in names if is_nounless(name)] == []


def test_a_variable_is_the_noun_of_what_it_holds() -> None:
    nounless = [f"{place} {name}" for place, node in nodes() for name in bound_names(node) if is_nounless(name)]
    assert nounless == []


def test_no_old_name_comes_back() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(words)
        for path in sources()
        if (words := OLD_NAMES.intersection(re.findall(r"\w+", path.read_text())))
    }
    assert found == {}


def test_a_loop_variable_of_a_test_names_its_thing() -> None:
    """The names say nothing of what is iterated: a row, a device, a message."""
    nameless = {"asked", "each", "found", "it", "one", "said"}
    loops = [
        (path, loop.target)
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for loop in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(loop, ast.For | ast.AsyncFor | ast.comprehension)
    ]
    assert loops
    assert [
        f"{path.relative_to(ROOT)}:{name.lineno} {name.id}"
        for path, target in loops
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and name.id in nameless
    ] == []
