"""Uplinks of other makers, mixed, for the bench of ingest: LoRaWAN servers, phones and access points."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from city.inventory.model import City
from tests.bench.adapters import DEVICES, city_with, message_of

FORMATS: Final = ("tts", "chirpstack", "owntracks", "netjson")
EVERY_S: Final = 15
"""Seconds from one message of a device to the next."""
COUNTED: Final = ("uplink_message_f_cnt", "fCnt", "batt", "general_uptime")
"""A field of each format that Telegraf stores of every message."""
TELEGRAF: Final = """
  topics = ["v3/+/devices/+/up", "application/+/device/+/event/up", "owntracks/+/+", "netjson/+/+"]
  topic_tag = ""
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "v3/+/devices/+/up"
    tags = "_/_/_/device/_"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "application/+/device/+/event/up"
    tags = "_/_/_/device/_/_"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "owntracks/+/+"
    tags = "_/_/device"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "netjson/+/+"
    tags = "_/device/_"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "uplink"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "@this"
"""
"""Telegraf's input: each message becomes a point with its fields as they are."""


def city() -> City:
    """The city with devices of these formats."""
    return city_with(*FORMATS)


def uplink(number: int, start: datetime) -> tuple[str, bytes]:
    """Topic and payload of the message of a number, of the formats in turn."""
    format_, turn = FORMATS[number % len(FORMATS)], number // len(FORMATS)
    return message_of(format_, turn, start + timedelta(seconds=turn // DEVICES * EVERY_S))
