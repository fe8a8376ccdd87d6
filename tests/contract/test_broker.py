"""What both brokers promise: who comes in, who may say and hear what, and what survives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from broker.client import BusClient, ConnectionParams, Delivery, Will
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from city.runtime.certificates import CA, ensure_certificates, names_of
from city.runtime.gateways import Gateways
from tests.support.brokers import BrokerName, RunningBroker, free_port
from tests.support.clients import Connected, answer_to
from tests.support.waiting import wait_for

OWN = "kota/v1/kupang/bin/bin-0001"
OTHER = "kota/v1/kupang/bin/bin-0002"
EVERYTHING = (
    *(f"kota/v1/kupang/+/+/{channel}" for channel in ("telemetry", "event", "status", "receipt", "command")),
    *("kota/other", "kota/canary/kupang", "v3/#", "json/#"),
)


@pytest.fixture(params=["embedded", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningBroker]:
    made = RunningBroker(request.param, free_port(), tmp_path)
    made.gateway("ttn", "tts", "json")
    made.start()
    yield made
    made.kill()
    print(made.log()[-3000:])


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (None, None),
        ("", ""),
        ("bin-0001", None),
        ("bin-0001", ""),
        ("bin-0001", "wrong"),
        ("bin-0001", "the password of bin-0002"),
        ("bin-9999", "its own"),
        ("gateway", "its own"),
        ("keeper", "its own"),
        ("watcher", "its own"),
        ("root", "root"),
    ],
)
def test_strangers_and_wrong_passwords_stay_outside(
    broker: RunningBroker, user: str | None, password: str | None
) -> None:
    if password == "the password of bin-0002":  # noqa: S105 - a word of this test
        password = broker.password("bin-0002")
    if password == "its own":  # noqa: S105 - a word of this test
        password = broker.password(user or "")
    assert answer_to(broker, user, password, user or "") != 0
    assert answer_to(broker, "bin-0001", broker.password("bin-0001"), "bin-0001") == 0


@pytest.mark.parametrize(
    ("user", "refused", "allowed"),
    [
        ("bin-0001", [f"{OTHER}/telemetry", f"{OWN}/receipt", "v3/a/devices/d/up"], f"{OWN}/telemetry"),
        ("bin-0001", ["kota/v1/atambua/bin/bin-0001/event", f"{OTHER}/event", "kota/canary/kupang"], f"{OWN}/event"),
        ("bin-0001", ["kota/v1/kupang/truck/bin-0001/status", f"{OTHER}/status"], f"{OWN}/status"),
        ("cam-01", [f"{OWN}/event"], "kota/v1/kupang/camera/cam-01/event"),
        ("ttn", [f"{OWN}/telemetry", f"{OWN}/receipt", "kota/other", "owntracks/u/d"], "v3/a/devices/d/up"),
        ("ttn", ["v3/a/devices/d/down", "v3"], "json/one.two/x"),
        ("simulator", [f"{OWN}/receipt", "v3/a/devices/d/up", "kota/canary/kupang"], f"{OTHER}/telemetry"),
    ],
)
def test_who_publishes_where(broker: RunningBroker, user: str, refused: list[str], allowed: str) -> None:
    with Connected(broker, "ingest", filters=EVERYTHING) as reader, Connected(broker, user) as writer:
        for topic in (*refused, allowed):
            for retain in (False, True):
                writer.bus.publish(topic, topic.encode(), retain=retain)
        wait_for(lambda: len(reader.received) >= 2, "the message that is allowed")
        assert {delivery.topic for delivery in reader.received} == {allowed}
    # What is retained is asked for anew: nothing that was refused may lie there either.
    with Connected(broker, "ingest", filters=EVERYTHING) as reader:
        wait_for(lambda: reader.received, "what is retained")
        assert {delivery.topic for delivery in reader.received} == {allowed}


@pytest.mark.parametrize("topic", ["$JS/API/STREAM/DELETE/$MQTT_msgs", "$MQTT/msgs/kota/v1/kupang/bin/bin-0001/event"])
def test_nobody_reaches_the_inside_of_the_broker(broker: RunningBroker, topic: str) -> None:
    with (
        Connected(broker, "ingest", filters=EVERYTHING) as reader,
        Connected(broker, "ttn") as gateway,
        Connected(broker, "bin-0001") as device,
    ):
        for writer in (gateway, device):
            writer.bus.publish(topic, b"")
        device.bus.publish(f"{OWN}/event", b"last")
        wait_for(lambda: reader.received, "the last message")
        assert [delivery.payload for delivery in reader.received] == [b"last"]


def test_a_device_hears_its_own_receipts_and_commands_and_nothing_else(broker: RunningBroker) -> None:
    # Mosquitto grants subscriptions and looks when it delivers; nats-server refuses them.
    wishes = ("#", "kota/#", "kota/v1/+/+/+/receipt", f"{OTHER}/receipt", "$SYS/#", "$JS/#", "$MQTT/#")
    for number, wish in enumerate(wishes):
        with (
            Connected(broker, "bin-0001", filters=(wish, f"{OWN}/receipt")) as device,
            Connected(broker, "ingest") as ingest,
            Connected(broker, "bin-0002") as other,
        ):
            other.bus.publish(f"{OTHER}/telemetry", b"{}")
            ingest.bus.publish(f"{OTHER}/receipt", b"{}")
            ingest.bus.publish(f"{OWN}/receipt", b"%d" % number)
            wait_for(lambda device=device: device.received, f"its receipt beside {wish}")
            assert {delivery.topic for delivery in device.received} == {f"{OWN}/receipt"}


def test_a_device_cannot_take_over_or_wipe_the_session_of_another(broker: RunningBroker) -> None:
    with Connected(broker, "ingest", filters=(f"{OTHER}/+",), persistent=True):
        pass
    with Connected(broker, "bin-0002", filters=(f"{OTHER}/receipt",)) as victim:
        victim.bus.publish_and_wait(f"{OTHER}/telemetry", b"waits", retain=False, timeout_s=10)
        connects = victim.bus.connects
        for client_id in ("ingest", "bin-0002", "kota-ingest", "keeper"):
            answer_to(broker, "bin-0001", broker.password("bin-0001"), client_id)
        assert victim.bus.connected.is_set()
        assert victim.bus.connects == connects
    with Connected(broker, "ingest", filters=(f"{OTHER}/+",), persistent=True) as reader:
        wait_for(lambda: reader.received, "what waited")
        assert reader.received[0].payload == b"waits"


@pytest.mark.parametrize("topic", [f"{OTHER}/status", f"{OWN}/receipt", "json/one", "kota/canary/kupang"])
def test_a_will_is_spoken_only_where_its_device_may_speak(broker: RunningBroker, topic: str) -> None:
    def die(will: Will) -> None:
        login = ConnectionParams("127.0.0.1", broker.port, "bin-0001", broker.password("bin-0001"), "bin-0001")
        client = BusClient(login)
        client.set_will(will)
        thread = threading.Thread(target=client.run, args=(threading.Event(),), daemon=True)
        thread.start()
        wait_for(client.connected.is_set, "the one that dies")
        client._stop.set()
        client.drop()
        thread.join(10)

    with Connected(broker, "ingest", filters=EVERYTHING) as reader:
        die(Will(topic, b"forged"))
        die(Will(f"{OWN}/status", b"own"))
        wait_for(lambda: reader.received, "its own will")
        assert [(delivery.topic, delivery.payload) for delivery in reader.received] == [(f"{OWN}/status", b"own")]


def test_what_was_acknowledged_is_passed_on_although_its_sender_has_gone(broker: RunningBroker) -> None:
    with Connected(broker, "ingest", filters=("json/+",)) as ingest:
        for sender in range(3):
            client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"sleeper-{sender}")
            client.username_pw_set("ttn", broker.password("ttn"))
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            sent = [client.publish(f"json/{sender}", str(number), qos=1) for number in range(300)]
            for message in sent:
                message.wait_for_publish(30)
            client.disconnect()
            client.loop_stop()
        wait_for(lambda: len(ingest.received) >= 900, "all of them")
        for sender in range(3):
            told = [int(delivery.payload) for delivery in ingest.received if delivery.topic == f"json/{sender}"]
            assert told == list(range(300))


def test_an_acknowledgement_of_an_earlier_connection_is_never_sent(broker: RunningBroker) -> None:
    with Connected(broker, "ingest", filters=(f"{OWN}/telemetry",)) as ingest:
        stale = Delivery("t", b"", retained=False, packet_id=7, qos=1, generation=ingest.bus.generation)
        broker.kill()
        wait_for(lambda: not ingest.bus.connected.is_set(), "the loss")
        broker.start()
        wait_for(ingest.bus.connected.is_set, "the reconnect")
        assert not ingest.bus.acknowledge(stale)


def bound_of(broker: RunningBroker, user: str) -> int:
    """Mosquitto has one bound for everybody; there, ingest bounds what devices send."""
    return MAX_PAYLOAD_BYTES if user != "ttn" and broker.name == "embedded" else GATEWAY_PAYLOAD_BYTES


@pytest.mark.parametrize(("user", "topic"), [("bin-0001", f"{OWN}/telemetry"), ("ttn", "v3/a/devices/d/up")])
def test_a_packet_that_is_too_large_is_not_passed_on(broker: RunningBroker, user: str, topic: str) -> None:
    bound = bound_of(broker, user)
    with Connected(broker, "ingest", filters=EVERYTHING) as reader, Connected(broker, user) as writer:
        writer.bus.publish(topic, b" " * bound)
        wait_for(lambda: reader.received, "the largest that is allowed")
        # Mosquitto takes a little more for the sake of MQTT 5's properties, and passes it on to nobody.
        writer.bus.publish(topic, b" " * (bound + 600))
        writer.bus.publish(topic, b" " * (bound + 9_000))
        wait_for(lambda: writer.bus.connects > 1, "the broker to hang up on a packet that is too large")
        assert [len(delivery.payload) for delivery in reader.received] == [bound]


def test_messages_that_several_threads_publish_are_not_mixed(broker: RunningBroker) -> None:
    # A socket takes less than such a message at once: another thread may write before its rest.
    bodies = [bytes([letter]) * (MAX_PAYLOAD_BYTES - letter) for letter in b"abcd"]
    each = 15

    with Connected(broker, "ingest", filters=EVERYTHING) as reader, Connected(broker, "bin-0001") as writer:

        def publish(body: bytes) -> None:
            for _ in range(each):
                writer.bus.publish(f"{OWN}/telemetry", body)

        threads = [threading.Thread(target=publish, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        wait_for(lambda: len(reader.received) >= each * len(bodies), "all of them")
        assert writer.bus.connects == 1
        assert sorted(delivery.payload for delivery in reader.received) == sorted(each * bodies)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_a_gateway_sends_comes_once(broker: RunningBroker, qos: int) -> None:
    topics = [f"v3/a/devices/{name}/up" for name in ("one", "two", "three")]
    with (
        Connected(broker, "ingest", filters=("v3/#", "json/#"), stream=True) as reader,
        Connected(broker, "ttn") as writer,
    ):
        for topic in topics:
            writer.bus.publish(topic, topic.encode(), qos=qos)
        wait_for(lambda: len(reader.received) >= len(topics), "what was sent")
        writer.bus.publish("json/last", b"{}", qos=1)
        wait_for(lambda: reader.received[-1].topic == "json/last", "the last")
        assert [delivery.topic for delivery in reader.received] == [*topics, "json/last"]
        assert [delivery.payload for delivery in reader.received[:-1]] == [topic.encode() for topic in topics]


@pytest.mark.parametrize(
    ("user", "queued", "retained"),
    [
        ("bin-0001", f"{OWN}/telemetry", f"{OWN}/status"),
        ("ttn", "v3/a/devices/d/up", "v3/a/devices/d/join"),
    ],
)
def test_what_is_queued_and_retained_survives_a_power_cut(
    broker: RunningBroker, user: str, queued: str, retained: str
) -> None:
    filters = (f"{OWN}/+", "v3/#")
    with Connected(broker, "ingest", filters=filters, persistent=True, stream=True):
        pass
    with Connected(broker, user) as writer:
        assert writer.bus.publish_and_wait(queued, b"queued", retain=False, timeout_s=10)
        assert writer.bus.publish_and_wait(retained, b"retained", retain=True, timeout_s=10)
    saved = broker.folder / "mosquitto" / "state" / "mosquitto.db"
    if broker.name == "mosquitto":  # it saves its queue once a second; the embedded one before each PUBACK
        wait_for(lambda: saved.exists() and b"retained" in saved.read_bytes(), "the autosave")
    broker.kill()
    broker.start()
    with Connected(broker, "ingest", filters=filters, persistent=True, stream=True) as reader:
        wait_for(
            lambda: {b"queued", b"retained"} <= {delivery.payload for delivery in reader.received}, "both messages"
        )
    with Connected(broker, "ingest", filters=filters, stream=True) as newcomer:
        wait_for(lambda: newcomer.received, "what is retained")
        assert {delivery.topic for delivery in newcomer.received} == {retained}


def test_a_gateway_may_call_itself_as_it_likes_but_not_as_an_account(broker: RunningBroker) -> None:
    password = broker.password("ttn")
    assert answer_to(broker, "ttn", password, "a-servers-own_id") == 0
    if broker.name == "embedded":  # Mosquitto gives every connection its account's name, whatever it says
        assert answer_to(broker, "ttn", password, "bin-0001") != 0
        assert answer_to(broker, "ttn", password, "ingest") != 0


@pytest.mark.parametrize("name", ["embedded", "mosquitto"])
def test_devices_come_in_over_tls_and_know_whom_they_talk_to(tmp_path: Path, name: BrokerName) -> None:
    folder = tmp_path / "tls"
    ensure_certificates(folder, names_of("127.0.0.1"), datetime.now(UTC))
    ensure_certificates(tmp_path / "other", names_of("127.0.0.1"), datetime.now(UTC))
    broker = RunningBroker(name, free_port(), tmp_path, tls=folder, tls_port=free_port())
    broker.start()
    port = broker.port if name == "embedded" else broker.tls_port

    def device(ca: Path | None) -> BusClient:
        login = ConnectionParams("127.0.0.1", port, "bin-0001", broker.password("bin-0001"), "bin-0001", ca=ca)
        client = BusClient(login)
        threading.Thread(target=client.run, args=(threading.Event(),), daemon=True).start()
        return client

    strangers = [device(None), device(tmp_path / "other" / CA)]
    friend = device(folder / CA)
    try:
        wait_for(friend.connected.is_set, "who trusts the right authority")
        wait_for(lambda: all(stranger.generation > 2 for stranger in strangers), "the others to try")
        assert not any(stranger.connects for stranger in strangers)
    finally:
        for client in (*strangers, friend):
            client.close()
        broker.kill()


def test_a_device_of_another_maker_speaks_its_format_with_its_own_account(broker: RunningBroker) -> None:
    with (
        Connected(broker, "ingest", filters=("owntracks/#",)) as reader,
        Connected(broker, "truck-31") as own,
        Connected(broker, "truck-32") as other,
    ):
        other.bus.publish("owntracks/dlhk/truck-31", b"forged")
        other.bus.publish("owntracks/dlhk/truck-32", b"of truck-32")
        own.bus.publish("owntracks/dlhk/truck-31", b"own")
        wait_for(lambda: len(reader.received) >= 2, "both")
        assert {delivery.payload for delivery in reader.received} == {b"own", b"of truck-32"}


def test_a_revoked_gateway_is_put_out_and_stays_out(tmp_path: Path) -> None:
    # Mosquitto reads its files at a signal: tests/integration/test_mosquitto.py.
    broker = RunningBroker("embedded", free_port(), tmp_path)
    broker.gateway("ttn", "tts")
    broker.start()
    try:
        with Connected(broker, "ttn") as gateway, Connected(broker, "bin-0001") as bystander:
            old = broker.password("ttn")
            Gateways(tmp_path).revoke("ttn")
            broker.gateway("ttn", "tts")  # at once, so that the account is never seen to be absent
            wait_for(lambda: not gateway.bus.connected.is_set(), "the end of its connection")
            assert answer_to(broker, "ttn", old, "ttn") != 0
            wait_for(lambda: answer_to(broker, "ttn", broker.password("ttn"), "ttn") == 0, "the new password")
            Gateways(tmp_path).revoke("ttn")
            wait_for(lambda: answer_to(broker, "ttn", broker.password("ttn"), "ttn") != 0, "the account to be gone")
            assert bystander.bus.connects == 1
    finally:
        print(broker.log()[-3000:])
        broker.kill()
