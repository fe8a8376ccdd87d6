"""The Things Stack v3 (LoRaWAN network server): uplinks over its MQTT server.

Topic `v3/{application id}@{tenant id}/devices/{device id}/up`, without `@{tenant id}` on a single-tenant server.
Source: The Things Stack documentation, "MQTT server" and "Data formats".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from broker.contract.codec import decode_json
from broker.contract.errors import PayloadError
from ingest.adapters.port import AddressBook, Foreign, parse_number, parse_time, read_fields, stamp

_SEGMENTS: Final = 5


class _DeviceIds(msgspec.Struct):
    device_id: str = ""
    dev_eui: str = ""


class _Uplink(msgspec.Struct):
    decoded_payload: dict[str, Any] | None = None
    frm_payload: str = ""
    f_port: int = 0
    f_cnt: int = 0
    received_at: str = ""
    rx_metadata: list[dict[str, Any]] = []


class _Body(msgspec.Struct):
    end_device_ids: _DeviceIds
    uplink_message: _Uplink | None = None
    received_at: str = ""


_decoder: Final = msgspec.json.Decoder(_Body)


class TheThingsStack:
    """Uplinks become readings; joins and downlink receipts carry none."""

    name = "tts"
    filters = ("v3/+/devices/+/up", "v3/+/devices/+/join")

    def claims(self, topic: str) -> bool:
        """Whether a topic is an uplink's or a join's."""
        parts = topic.split("/")
        return len(parts) == _SEGMENTS and parts[0] == "v3" and parts[2] == "devices" and parts[4] in ("up", "join")

    def decode(self, topic: str, payload: bytes, book: AddressBook) -> list[Foreign]:
        """One reading per uplink, by the profile of the device.

        Raises:
            PayloadError: Not an uplink, an unknown device, or nothing in it was decoded by the network server.
        """
        _, tenant, _, device_id, sort = topic.split("/")
        if sort == "join":
            return []
        body = decode_json(_decoder, payload)
        uplink = body.uplink_message
        if uplink is None:
            raise PayloadError("an uplink without `uplink_message`")
        application = tenant.split("@")[0]
        names = [device_id, body.end_device_ids.device_id, body.end_device_ids.dev_eui]
        device, profile = book.find(
            self.name, [*(f"{application}/{name}" for name in names if name), body.end_device_ids.dev_eui]
        )
        values, invalid = read_fields(profile, _decoded(uplink, profile.id))
        values.update(_signal(uplink) if profile.kind == "bin" else {})
        at = parse_time(uplink.received_at) or parse_time(body.received_at)
        if at is None:
            raise PayloadError("an uplink without a readable `received_at`")
        return [Foreign(device.id, profile.kind, self.name, stamp(at, payload), at, values, invalid)]


def _decoded(uplink: _Uplink, profile: str) -> dict[str, Any]:
    if uplink.decoded_payload:
        return uplink.decoded_payload
    if uplink.frm_payload:
        raise PayloadError(
            f"`frm_payload` was not decoded (f_port {uplink.f_port}, profile {profile}): "
            "set a payload formatter for the device in The Things Stack, then replay"
        )
    raise PayloadError("an uplink without a payload")


def _signal(uplink: _Uplink) -> dict[str, float]:
    """The strongest gateway's signal."""
    found = [rssi for entry in uplink.rx_metadata if (rssi := parse_number(entry.get("rssi"))) is not None]
    plausible = [rssi for rssi in found if -200 <= rssi <= 20]  # noqa: PLR2004 - the contract's range
    return {"rssi_dbm": max(plausible)} if plausible else {}
