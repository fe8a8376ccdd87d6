"""Every sample of every format gives what its file says, and every folder of a format is complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from city.inventory.device_topics import OWN_TOPICS
from city.inventory.profiles import FORMATS, builtin_profiles
from ingest.decoding.formats.registry import ADAPTERS, DECODERS, FOLDERS, adapter_for
from tests.support.decoding import BASE
from tests.support.format_samples import (
    FormatSample,
    Outcome,
    decode_sample,
    expected_outcome,
    outcome_of,
    outcome_text,
    read_sample,
    sample_paths,
)

ROOT = FORMATS.parents[2]
PACKAGES = ("api", "broker", "city", "edge", "grafana", "ingest", "vision")
SAMPLES = sample_paths()
FILES = {
    "__init__.py",
    "adapter.py",
    "frames.py",
    "address.toml",
    "device_topics.toml",
    "README.md",
    "profiles",
    "samples",
}
MAC = re.compile(r"(?i)(?<![0-9a-f:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![0-9a-f:-])")


def sample_id(path: Path) -> str:
    return f"{path.parent.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", SAMPLES, ids=sample_id)
def test_a_sample_gives_what_its_file_says(path: Path) -> None:
    sample = read_sample(path)
    outcome = outcome_of(decode_sample(sample, path.parent.parent.name))
    assert outcome == expected_outcome(sample), f"it gives:\n{outcome_text(outcome)}"


@pytest.mark.parametrize("path", SAMPLES, ids=sample_id)
def test_what_the_module_prints_can_be_pasted_into_a_sample(path: Path) -> None:
    outcome = expected_outcome(read_sample(path))
    assert msgspec.toml.decode(outcome_text(outcome), type=Outcome) == outcome


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('about = "It has a key that nobody reads."\npayolad = "x"', "unknown field `payolad`"),
        ('about = "A reading without its identity."\n[[readings]]\nvalues = {}', "missing required field `id`"),
        ('topic = "json/x"', "missing required field `about`"),
    ],
)
def test_a_sample_with_a_mistake_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "mistake.toml").write_text(text, encoding="utf-8")
    with pytest.raises(msgspec.ValidationError, match=reason):
        read_sample(tmp_path / "mistake.toml")


def test_the_sample_on_the_page_of_formats_is_one() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", (FORMATS / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    sample = msgspec.toml.decode(example, type=FormatSample)
    assert outcome_of(decode_sample(sample, "json")) == expected_outcome(sample)


@pytest.mark.parametrize("path", SAMPLES, ids=sample_id)
def test_a_sample_says_what_it_shows_and_names_nobody(path: Path) -> None:
    sample = read_sample(path)
    assert re.fullmatch(r"[A-Z0-9`].*\.", sample.about)
    for address in MAC.findall(path.read_text(encoding="utf-8")):
        assert int(address[1], 16) & 2, f"{address} is a vendor's, and perhaps somebody's"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_complete(folder: str) -> None:
    files = {path.name for path in (FORMATS / folder).iterdir() if path.name != "__pycache__"}
    assert files <= FILES
    assert files >= {"__init__.py", "README.md", "samples"}
    assert files & {"adapter.py", "frames.py"}
    assert ("adapter.py" in files) == ("address.toml" in files), "a format says what an address is"
    assert (Path(__file__).parent / f"test_{folder}.py").is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_samples_of_a_folder_show_what_is_stored_and_what_is_refused(folder: str) -> None:
    samples = [read_sample(path) for path in SAMPLES if path.parent.parent.name == folder]
    assert any(sample.readings or sample.events for sample in samples)
    assert any(sample.rejected for sample in samples)
    if (FORMATS / folder / "adapter.py").is_file():
        assert any(adapter_for(sample.topic).name == folder for sample in samples)
    decoders = {name for name in DECODERS if DECODERS[name].__module__.split(".")[-2] == folder}  # type: ignore[attr-defined]
    shown = {BASE.profiles[sample.device.profile].frames for sample in samples if sample.device}
    assert decoders <= shown


def test_a_profile_lies_with_its_maker_or_with_the_first_of_its_formats() -> None:
    for path in builtin_profiles():
        maker = path.stem.split("-")[0]
        expected = maker if maker in FOLDERS else BASE.profiles[path.stem].adapters[0]
        assert path.parent.parent.name == expected, path.name
    assert len({path.stem for path in builtin_profiles()}) == len(builtin_profiles())


def test_topics_of_devices_belong_to_formats() -> None:
    assert OWN_TOPICS.keys() <= {adapter.name for adapter in ADAPTERS}


def literals(path: Path) -> Iterator[tuple[int, set[str]]]:
    """Line and texts of each tuple, list, set and mapping written in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        elements = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        texts = {e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)}
        if texts:
            yield getattr(node, "lineno", 1), texts


def test_nothing_outside_the_folders_names_formats_in_a_table() -> None:
    """Of two words that formats are named by, in one literal; `json` and `axis` are words of others as well."""
    places = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.parent == FORMATS or FORMATS not in path.parents
        for line, texts in literals(path)
        if len(texts & set(FOLDERS)) > 1 or texts & (set(FOLDERS) - {"json", "axis"})
    ]
    assert places == []
