"""From a sensor's message to a message of a real service, by `kota up`, through kills of its server."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dispatch.notifications.recipients import FILE_NAME
from tests.e2e.test_alarms import publish
from tests.support.brokers import free_port
from tests.support.cities import RunningCity
from tests.support.waiting import wait_for
from tests.support.webhook_server import running_webhook

SECRET = "kata-sandi-rahasia"  # noqa: S105 - of a webhook that lives for a test


@pytest.mark.xdist_group("up")
def test_a_fire_by_mqtt_is_one_message_whatever_is_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with running_webhook() as webhook:
        (data / FILE_NAME).write_text(
            f'[dinas]\nroles = "dispatcher"\nlanguage = "id"\ncleared = true\nurl = "{webhook.url()}"\n'
            f'[mati]\nroles = "dispatcher"\nurl = "json://kota:{SECRET}@127.0.0.1:{free_port()}/x"\n'
        )
        (data / FILE_NAME).chmod(0o600)
        city = RunningCity(data, "--no-vision", "--no-simulator")
        try:
            city.wait_ready()
            publish(city, "bin-0100", "bin", "fire", "raised", 1)
            for _ in range(3):
                pid = city.pids()["server"]
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda pid=pid: city.pids().get("server") not in (None, pid), "another server")  # type: ignore[misc]
                city.wait_ready()
            wait_for(lambda: city.get("/api/v1/notifications?state=sent")["notifications"], f"it\n{city.log()}")
            assert {message.title.partition(",")[0] for message in webhook.posted} == {
                "[SIMULASI] [DARURAT] Kebakaran: bin-0100"
            }
            assert len(webhook.times()) == 1, "what came again after a kill came under its key"
            (alarm,) = city.get("/api/v1/alarms?kind=fire")["alarms"]
            assert webhook.posted[0].body.endswith(f"/alarm/{alarm['id']}")
            wait_for(
                lambda: (
                    {
                        entry["recipient"]: entry["state"]
                        for entry in city.get(f"/api/v1/alarms/{alarm['id']}")["deliveries"]
                    }
                    == {"dinas": "sent", "mati": "failed"}
                ),
                f"both states\n{city.log()}",
            )
            failing = city.get("/api/v1/notifications?state=failed")
            assert [entry["name"] for entry in failing["failing"]] == ["mati"]
            shown = city.verb("notify", "list").stdout + city.verb("status").stdout
            assert "mati: json, dispatcher, fails since" in shown
            logs = "".join(path.read_text(errors="replace") for path in [city.output, *(data / "logs").glob("*.log")])
            assert "notifications.failed" in logs
            assert SECRET not in logs + shown + (data / "notifications" / "state.json").read_text()
        finally:
            city.stop()
