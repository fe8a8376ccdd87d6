"""The ports of a third-party format: what its adapter, and its frame decoder where it has one, take and give.

An adapter knows a format and nothing of the city: a `DeviceReport` names the device as the sender does.
`ingest.decoding.third_party` finds the device in the inventory, decodes its raw frame and maps its fields by the
profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from broker.contract.payloads import Rejected
from city.inventory.model import Codec


class RawFrame(msgspec.Struct, frozen=True):
    """A device's raw frame, not decoded by the network server, and its port (LoRaWAN's fPort)."""

    port: int
    data: bytes


class Personal(msgspec.Struct, frozen=True):
    """A value that identifies a person or their device; it becomes a keyed hash before anything is kept.

    `is_stable`: the hash does not change from day to day; for identifiers that must match across days and name nobody.
    """

    value: str
    is_stable: bool = False


class AdapterEvent(msgspec.Struct, frozen=True):
    """An event of the contract, without time and sequence id.

    `key`: idempotency key among the device's events of one moment, for events that may come in several messages; empty
    uses the message's key.
    """

    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any] = {}
    key: bytes = b""


class ConnectivityReport(msgspec.Struct, frozen=True):
    """A device came online or went offline, as its sender says.

    `all_devices`: the report concerns all devices of the inventory that this sender serves;
    `address_prefix` limits them to addresses with this prefix. `historical`: the report concerns the moment it was
    measured at, not the present.
    """

    state: Literal["online", "offline"]
    reason: str = ""
    all_devices: bool = False
    address_prefix: str = ""
    historical: bool = False


class Hint(msgspec.Struct, frozen=True):
    """Facts about an unknown device, from which a profile and a position are suggested."""

    model: str = ""
    label: str = ""
    place: dict[str, float] = {}


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One message, or one record of it, about one device.

    Attributes:
        names: Names under which the inventory may have the device, the best first.
        at: Time of measurement; without a zone, the city's local time; None when the message has none.
        key: Idempotency key among records of one moment: the device's own counter, else the record's content.
            Nothing of the envelope: a record is the same in whatever message it comes again.
        number: Place in its message, which tells equal records apart that have no time of their own.
        known: Fields of the contract that the format itself defines; fields of other kinds of device are ignored.
        counters: Where `rx_bytes` and `tx_bytes` in `known` are sums: interface to counter to octets.
        client_list: Name of the complete list of clients that the report was counted from; empty for none. A report
            without names says that this message is such a list: every other access point of it has no clients.
        fields: Other decoded fields, by the sender's names; the device's profile maps them.
        frame: A raw frame that was not decoded.
        fix_at: Time of the position fix, where it differs.
        quality: Quality flags for values missing from `known`.
        events: Events in the message.
        connectivity: Whether the device came online or went offline.
        hint: For an unknown device.
        raw: This record alone, as a message of the same topic; empty when the message has no other record.
    """

    names: tuple[str, ...]
    at: datetime | None
    key: bytes
    number: int = 0
    known: dict[str, Any] = {}
    counters: Mapping[str, Mapping[str, float]] = {}
    client_list: str = ""
    fields: Mapping[str, Any] = {}
    frame: RawFrame | None = None
    fix_at: datetime | None = None
    quality: tuple[str, ...] = ()
    events: tuple[AdapterEvent, ...] = ()
    connectivity: ConnectivityReport | None = None
    hint: Hint = Hint()
    raw: bytes = b""


@runtime_checkable
class Adapter(Protocol):
    """One format: the object `ADAPTER` of `formats/NAME/adapter.py`. Every attribute is required."""

    @property
    def name(self) -> str:
        """The format's name in the inventory, and of its folder."""

    @property
    def filters(self) -> tuple[str, ...]:
        """Topic filters that ingest subscribes to."""

    @property
    def precedence(self) -> int:
        """Which format reads a topic that two claim: the one with the lower number.

        Formats with the same number never claim the same topic.
        """

    @property
    def personal_keys(self) -> tuple[str, ...]:
        """Keys of JSON objects whose values identify people; hashed wherever a message is kept as it came."""

    @property
    def lists_clients(self) -> bool:
        """Whether messages may contain addresses of clients' devices; all but the equipment's are hashed then."""

    @property
    def level_events(self) -> frozenset[str]:
        """Event types that devices repeat while a condition lasts; of `raised` and `cleared` only changes are stored.

        Events that a profile maps from fields are levels by their rule.
        """

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether this adapter decodes messages of a topic, given its levels."""

    def decode(self, topic: str, payload: bytes) -> Sequence[DeviceReport | Rejected]:
        """Device reports of one message; empty when the message says nothing of a device's state.

        An element of a list that cannot be decoded is rejected by itself; its neighbours are reports.

        Raises:
            PayloadError: The message cannot be decoded; says what was expected.
        """


class FrameReading(msgspec.Struct, frozen=True):
    """One set of measurements in a frame; `at` is the time of a stored measurement, None for a live one.

    The keys of `fields` are those of the maker's own decoder.
    """

    fields: dict[str, Any]
    at: datetime | None = None


class DecodedFrame(msgspec.Struct, frozen=True):
    """The readings of a frame, newest first; `rest` are trailing bytes of an unknown type."""

    readings: tuple[FrameReading, ...]
    rest: bytes = b""


class FrameDecoder(Protocol):
    """Decodes one layout of a maker's frames: a value of `DECODERS` of `formats/NAME/frames.py`."""

    def __call__(self, port: int, data: bytes) -> DecodedFrame:
        """Decode a frame.

        Args:
            port: LoRaWAN's fPort, 0 where there is none.
            data: The bytes as the device sent them.

        Raises:
            PayloadError: It is not of this maker, or is cut off.
        """


class CodecRunner(Protocol):
    """Runs the payload codecs of the city's folder (`ingest.codecs`)."""

    def decode(self, codec: Codec, frame: RawFrame, at: datetime) -> dict[str, Any]:
        """The values of a frame that the network server received at `at`.

        Raises:
            PayloadError: The codec cannot decode it.
        """

    def check(self, codec: Codec) -> None:
        """Load a codec.

        Raises:
            PayloadError: It cannot be evaluated, or defines no decoder.
        """
