"""InfluxDB 2.7.12 for tests: no package of Debian's has it, so it is built as a Go module into a cache, once.

Needs Go, Rust, clang and protoc (`kota test` installs the latter two); four minutes on two cores.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

VERSION: Final = "v2.7.12"
MODULE: Final = "github.com/influxdata/influxdb/v2"
PKG_CONFIG: Final = "github.com/influxdata/pkg-config@v0.2.14"
SUMS: Final = f"""{MODULE} {VERSION} h1:m25dUSO7h6nm3zFC4v/aCNeFFmnN/mlN/uPo1T63bmk=
{MODULE} {VERSION}/go.mod h1:Mb0O9zNkhn4JTmr5vsr4ELa75um/ai6dY1pcoW192AU=
"""
"""What the module's author published; everything below it is in the module's own sums."""
TOOLS: Final = ("go", "cargo", "clang", "protoc")
_WRAPPER: Final = '#!/bin/sh\nexec "$@" --cap-lints warn\n'


def cached() -> Path:
    """Where the program is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "jaga-kota" / f"influxd-{VERSION}"


def missing() -> str:
    """Why there can be no InfluxDB 2 here; empty when there is one or one can be built."""
    if cached().exists():
        return ""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"building InfluxDB 2 needs {', '.join(absent)}" if absent else ""


def build() -> None:
    """Build it where it is not there yet; processes that ask together wait for the first.

    Raises:
        subprocess.CalledProcessError: The build failed; its output is on stderr.
    """
    target = cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        print(f"kota test: building InfluxDB {VERSION}, once, about four minutes", file=sys.stderr, flush=True)
        folder = target.with_name(f"{target.name}.build")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _build(folder)
        (folder / "influxd").replace(target)
        shutil.rmtree(folder)


def _build(folder: Path) -> None:
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOSUMDB": "off", "GOBIN": str(folder), "GOWORK": "off"}

    def go(*arguments: str) -> str:
        done = subprocess.run(
            ["go", *arguments], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True
        )
        return done.stdout.strip()

    go("mod", "init", "build")
    go("mod", "edit", f"-require={MODULE}@{VERSION}")
    (folder / "go.sum").write_text(SUMS)
    go("install", PKG_CONFIG)
    go("mod", "download", f"{MODULE}@{VERSION}")
    source = Path(go("list", "-m", "-f", "{{.Dir}}", MODULE))
    # A dependency's own replacements and sums do not count for whom it is required by.
    with (folder / "go.sum").open("a") as sums, (folder / "go.mod").open("a") as module:
        sums.write((source / "go.sum").read_text())
        module.write(_replacements((source / "go.mod").read_text()))
    wrapper = folder / "rustc-wrapper"
    wrapper.write_text(_WRAPPER)  # its Rust part denies warnings that newer compilers add
    wrapper.chmod(0o755)
    environment |= {
        "PKG_CONFIG": str(folder / "pkg-config"),
        "RUSTC_WRAPPER": str(wrapper),
        "RUSTUP_TOOLCHAIN": "stable",
    }
    go("build", "-tags", "sqlite_foreign_keys,sqlite_json", "-o", "influxd", f"{MODULE}/cmd/influxd")


def _replacements(module: str) -> str:
    """The `replace` directives of a go.mod."""
    taken, inside = [], False
    for line in module.splitlines():
        if line.startswith("replace ("):
            inside = True
        if inside or line.startswith("replace "):
            taken.append(line)
        if inside and line == ")":
            inside = False
    return "\n" + "\n".join(taken) + "\n"
