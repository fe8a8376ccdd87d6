"""The image: built from what is pinned, run by nobody in particular, and nothing secret in it."""

from __future__ import annotations

import re
import shutil
import subprocess

from tests.support.brokers import ROOT
from tests.support.compose import FOLDERS
from tests.support.require import skip_without

LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]


def rests(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def test_bases_are_pinned_and_the_same() -> None:
    bases = {rest.split()[0] for rest in rests("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases.pop())


def test_it_does_not_run_as_root_and_by_number_so_that_volumes_keep_their_owner() -> None:
    assert rests("USER") == ["10001:10001"]
    order = [name for name, _ in INSTRUCTIONS]
    assert "RUN" not in order[order.index("USER") :]


def test_packages_come_from_the_lock_with_hashes_and_nothing_is_compiled() -> None:
    install = next(rest for rest in rests("RUN") if " install --require" in rest)
    assert {"--require-hashes", "--only-binary"} <= set(install.split())
    assert not any("apt-get" in rest or "gcc" in rest for rest in rests("RUN"))


def test_the_lock_is_copied_before_the_code_so_that_new_code_installs_nothing() -> None:
    copied = [rest.split()[-2] for rest in rests("COPY")]
    assert copied[0] == "requirements.lock"
    assert sorted(copied[2:]) == sorted(FOLDERS)
    assert all((ROOT / folder).is_dir() for folder in FOLDERS)


def test_nothing_is_fetched_by_the_builder_itself() -> None:
    assert not rests("ADD")


def test_the_build_sees_only_what_it_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {"requirements.lock", *FOLDERS}


def test_python_is_the_process_that_gets_the_signals() -> None:
    assert rests("ENTRYPOINT") == ['["kota"]']
    script = next(rest for rest in rests("RUN") if "/usr/local/bin/kota" in rest)
    assert r"exec python -m city" in script


def test_a_linter_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint") or ""
    skip_without("" if hadolint else "`hadolint` is not here: the Dockerfile is not linted")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
