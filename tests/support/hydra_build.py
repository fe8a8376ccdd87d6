"""Ory Hydra 2.3.0 for tests, an OpenID Connect provider: it is built as a Go module into a cache, once.

Needs Go and a C compiler (for SQLite); one minute and a half on two cores.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

VERSION: Final = "v2.3.0"
MODULE: Final = "github.com/ory/hydra/v2"
SUMS: Final = f"""{MODULE} {VERSION} h1:bPs5MOWmYLZ9C3oQFhhjnaBrExUgF/zf3u1AJVlR//4=
{MODULE} {VERSION}/go.mod h1:KhlIqylZxAHDHlMOHGww7HTKkRhJ6szef8KGT0xrk4M=
"""
"""What the module's author published; everything below it is in the module's own sums."""
TOOLS: Final = ("go", "gcc")
_LOCAL: Final = "=> ./"


def cached() -> Path:
    """Where the program is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "jaga-kota" / f"hydra-{VERSION}"


def missing() -> str:
    """Why there is no Hydra here; empty if there is one."""
    return "" if cached().exists() else f"Hydra is not built; `kota test` builds it where {' and '.join(TOOLS)} are"


def can_build() -> bool:
    """Whether this machine has what a build needs."""
    return all(shutil.which(tool) for tool in TOOLS)


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
        print(f"kota test: building Hydra {VERSION}, once, about two minutes", file=sys.stderr, flush=True)
        folder = target.with_name(f"{target.name}.build")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _build(folder)
        (folder / "hydra").replace(target)
        shutil.rmtree(folder)


def _build(folder: Path) -> None:
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOSUMDB": "off", "GOWORK": "off", "CGO_ENABLED": "1"}

    def go(*arguments: str) -> str:
        done = subprocess.run(
            ["go", *arguments], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True
        )
        return done.stdout.strip()

    go("mod", "init", "build")
    go("mod", "edit", f"-require={MODULE}@{VERSION}")
    (folder / "go.sum").write_text(SUMS)
    go("mod", "download", f"{MODULE}@{VERSION}")
    source = Path(go("list", "-m", "-f", "{{.Dir}}", MODULE))
    # A dependency's own replacements and sums do not count for whom it is required by.
    with (folder / "go.sum").open("a") as sums, (folder / "go.mod").open("a") as module:
        sums.write((source / "go.sum").read_text())
        module.write(_replacements((source / "go.mod").read_text()))
    go("build", "-buildvcs=false", "-tags", "sqlite,json1", "-o", "hydra", MODULE)


def _replacements(module: str) -> str:
    """The `replace` directives of a go.mod, without those to folders of its repository."""
    lines = (line for line in module.splitlines() if line.startswith("replace ") and _LOCAL not in line)
    return "\n" + "\n".join(lines) + "\n"
