"""What an agent in the field is connected to: serial devices on real pseudo-terminals, snmpd and gpsd as processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.require import require_program
from tests.support.waiting import wait_for

DISTANCE: Final = bytes.fromhex("FF07A1A7")
"""What an ultrasonic sensor says at 1953 mm."""
COMMUNITY: Final = "baca-saja-7"
SNMP_USER: Final = "pemantau"
AUTH_PASSWORD: Final = "kunci-masuk-7"  # noqa: S105 - of an agent that lives for a test
PRIVACY_PASSWORD: Final = "kunci-rahasia-7"  # noqa: S105 - the same


class SerialDevice:
    """A device on a serial port, at a path that stays the same when it is plugged in again.

    Args:
        path: The port; a link to a pseudo-terminal.
        say: The bytes it says next, over and over.
        every_s: How often.
    """

    def __init__(self, path: Path, say: Callable[[], bytes], every_s: float = 0.02) -> None:
        """Not plugged in."""
        self.path = path
        self.say = say
        self._every_s = every_s
        self._out = threading.Event()
        self._out.set()

    def plug(self) -> None:
        """The port is there, and the device talks."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.chmod(os.ttyname(slave), 0o666)  # noqa: S103, PTH101 - gpsd reads it as a user of its own
        self.path.symlink_to(os.ttyname(slave))
        self._out = threading.Event()
        threading.Thread(target=self._talk, args=(master, slave, self._out), daemon=True).start()

    def unplug(self) -> None:
        """The port is gone under whoever reads it."""
        self._out.set()
        self.path.unlink(missing_ok=True)

    def _talk(self, master: int, slave: int, out: threading.Event) -> None:
        os.set_blocking(master, False)
        while not out.wait(self._every_s):
            with contextlib.suppress(BlockingIOError):
                os.write(master, self.say())
        os.close(slave)
        os.close(master)


@contextmanager
def plugged(device: SerialDevice) -> Iterator[SerialDevice]:
    """A device that is plugged in inside."""
    device.plug()
    try:
        yield device
    finally:
        device.unplug()


class Snmpd:
    """A real SNMP agent with a MikroTik's wireless table, on a UDP port of its own."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet."""
        self._program = require_program("snmpd")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        (folder / "snmpd.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        table = "override .1.3.6.1.4.1.14988.1.1.1.3.1"
        return "\n".join(
            [
                f"agentaddress udp:127.0.0.1:{self.port}",
                f"rocommunity {COMMUNITY} 127.0.0.1",
                f'createUser {SNMP_USER} SHA-256 "{AUTH_PASSWORD}" AES "{PRIVACY_PASSWORD}"',
                f"rouser {SNMP_USER} priv",
                "sysObjectID 1.3.6.1.4.1.14988.1",
                f'{table}.4.1 octet_str "Kota Kupang"',
                f'{table}.4.2 octet_str "Kota Kupang"',
                f"{table}.6.1 integer 12",
                f"{table}.6.2 integer 30",
                f'{table}.8.1 octet_str "2ghz-b/g/n"',
                f'{table}.8.2 octet_str "5ghz-a/n/ac"',
                f"{table}.9.1 integer -101",
                f"{table}.9.2 integer -95",
                "",
            ]
        )

    def start(self) -> None:
        """Start and wait until it listens."""
        config = self._folder / "snmpd.conf"
        command = [self._program, "-f", "-C", "-c", str(config), "-Lf", str(self._folder / "snmpd.log"), "-I", "-smux"]
        # In its persistent folder it writes a snmpd.conf of its own; MIB files would only fill the log.
        environment = {**os.environ, "SNMP_PERSISTENT_DIR": str(self._folder / "kept"), "MIBS": ""}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._bound, f"snmpd on port {self.port}\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def log(self) -> str:
        """What it has noted."""
        path = self._folder / "snmpd.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _bound(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        # Looked up, not tried: a probe that binds the port would keep snmpd from it.
        return f":{self.port:04X} " in Path("/proc/net/udp").read_text()


@contextmanager
def running_gpsd(device: SerialDevice, port: int) -> Iterator[None]:
    """A real gpsd that reads a device and listens on a loopback port."""
    command = [require_program("gpsd"), "-N", "-n", "-S", str(port), str(device.path.readlink())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), f"gpsd on port {port}")
        yield
    finally:
        process.kill()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
