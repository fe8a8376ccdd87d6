"""`kota test`: makes sure that the real servers the tests need are there, then runs pytest."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support import hydra_build, influxd_build, rtsp

PROGRAMS: Final = {
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "influxd": "influxdb",
    "chromium": "chromium",
    "ffmpeg": "ffmpeg",
    "gpsd": "gpsd",
    "snmpd": "snmpd",
    "psql": "postgresql",
    "nginx": "nginx-light",
    "caddy": "caddy",
}
"""Program to the Debian package that brings it."""
RTSP_PACKAGES: Final = (
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
    "python3-gi",
)
"""What `tests/support/rtsp_server.py` is made of: a camera with H.264; 22 MB to download."""
BUILD_TOOLS: Final = {"clang": "clang", "protoc": "protobuf-compiler"}
GROUPED: Final = ("--dist", "loadgroup")
COMPILERS: Final = ("go", "cargo")
"""Where these are, InfluxDB 2 is built for the tests, once; they are no package's to bring."""


def run(argv: list[str]) -> int:
    """Install what is missing where possible, then test; arguments that are not ours go to pytest."""
    args, argv = _parser().parse_known_args(argv)
    if args.all:
        os.environ["KOTA_TEST_REQUIRE"] = "all"
    install_missing(PROGRAMS, () if rtsp.missing() == "" else RTSP_PACKAGES)
    if all(shutil.which(tool) for tool in COMPILERS):
        if not influxd_build.cached().exists():
            install_missing(BUILD_TOOLS)
        if not influxd_build.missing():
            influxd_build.build()
    if hydra_build.can_build():
        hydra_build.build()
    if args.setup_only:
        return 0
    # One more than cores: half of the time a test waits for a server.
    workers = [] if any(argument.startswith("-n") for argument in argv) else ["-n", str(cores() + 1), *GROUPED]
    root = Path(__file__).parent.parent
    return subprocess.call([sys.executable, "-m", "pytest", *workers, *argv], cwd=root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota test",
        usage="kota test [-h] [--all] [--setup-only] [PATH ...] [pytest's options]",
        description="Install the real servers that the tests need (as root on Debian or Ubuntu), then run pytest. A "
        "part that is missing is skipped, and the end says so.",
        epilog="Paths, `-k WORDS` and all else go to pytest; `python -m pytest --help` lists its options.",
        allow_abbrev=False,
    )
    parser.add_argument("--all", action="store_true", help="A skipped test fails. The same: KOTA_TEST_REQUIRE=all.")
    parser.add_argument("--setup-only", action="store_true", help="Install and build only.")
    return parser


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def install_missing(programs: dict[str, str], libraries: tuple[str, ...] = ()) -> None:
    """Install absent programs, and libraries, from Debian's packages as root; elsewhere say what is missing."""
    packages = sorted({package for program, package in programs.items() if not shutil.which(program)} | {*libraries})
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"kota test: not installed, tests that need them are skipped: {', '.join(packages)}", file=sys.stderr)
        return
    print(f"kota test: installing {', '.join(packages)}", file=sys.stderr)
    # A package that starts a service of its own would take the ports of the city that runs here.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            print(f"kota test: {' '.join(command)} failed with {done.returncode}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
