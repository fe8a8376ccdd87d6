"""Domain model of a city: structs that `city.inventory.loader` fills from data files and every service uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

import msgspec

from broker.contract.topics import Kind
from city.inventory.windows import DumpingHours
from city.inventory.zones import PersonHeight, Zone, ZonePlan

SiteKind = Literal["tps", "office", "park", "depot", "landfill"]
WasteKind = Literal["organic", "non_organic"]
BinMaterial = Literal["plastic", "steel"]
Scalar = float | int | str | bool | None


class Kelurahan(msgspec.Struct, frozen=True):
    """An urban village; its position is an approximate centre."""

    id: str
    name: str
    kecamatan: str
    lat_deg: float
    lon_deg: float


class Site(msgspec.Struct, frozen=True):
    """A place: collection point (TPS), office, park, depot or landfill.

    `clear_copies` is whether clear copies (with people) of its cameras' evidence are also kept, encrypted.
    """

    id: str
    name: str
    kind: SiteKind
    kelurahan: str
    lat_deg: float
    lon_deg: float
    hours: str = "default"
    clear_copies: bool = False


class BinModel(msgspec.Struct, frozen=True):
    """Geometry of a container and its sensor: distances in mm from the sensor downwards.

    fill = (height - offset - distance) / (height - offset - dead_zone), see blueprint section 4.
    """

    id: str
    material: BinMaterial
    capacity_l: float
    height_mm: float
    offset_mm: float = 0.0
    dead_zone_mm: float = 0.0
    invalid_mm: tuple[float, ...] = ()


class Binding(msgspec.Struct, frozen=True):
    """A device's binding to a third-party server: its address there, and the profile of its messages.

    What an address is, each adapter's page says: for LoRaWAN the DevEUI, for OwnTracks `user/device`.
    """

    adapter: str
    address: str
    profile: str


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of every device; `interval_s` is its reporting interval, `binding` its name at a third-party server."""

    KIND: ClassVar[Kind]

    id: str
    lat_deg: float | None = None
    lon_deg: float | None = None
    kelurahan: str = ""
    site: str = ""
    interval_s: float = 600.0
    binding: Binding | None = None


class Bin(Device, frozen=True, kw_only=True):
    """A waste container. Colour and waste kind are two separate facts."""

    KIND: ClassVar[Kind] = "bin"

    model: str
    waste_kind: WasteKind
    color: Literal["yellow", "green", "grey"]


class Truck(Device, frozen=True, kw_only=True):
    """A garbage truck; `depot` is a site's id."""

    KIND: ClassVar[Kind] = "truck"

    plate: str
    depot: str
    capacity_kg: float


class AccessPoint(Device, frozen=True, kw_only=True):
    """A Wi-Fi access point with the SSIDs it offers."""

    KIND: ClassVar[Kind] = "ap"

    model: str
    ssids: tuple[str, ...]


class Camera(Device, frozen=True, kw_only=True):
    """A fixed camera; `source` is an address, a file, a folder of frames or `demo`.

    An address is that of the low-rate sub stream: `rtsp://`, `rtsps://`, or `http://` and `https://` for JPEG pictures.

    A plan drawn in the console (`city.inventory.zone_plans`) replaces `zones` and `person_height`.
    """

    KIND: ClassVar[Kind] = "camera"

    source: str = ""
    zones: tuple[Zone, ...] = ()
    person_height: PersonHeight = ()

    @property
    def plan(self) -> ZonePlan:
        """Zone plan of the inventory."""
        return ZonePlan(self.zones, self.person_height)


class FieldRule(msgspec.Struct, frozen=True):
    """How one contract field is read from a third-party payload.

    `source` lists dotted paths, the first present wins. `unit` is the device's unit, empty for the contract's own
    (`city.inventory.units`), `units` those of single paths; a unit written behind a
    number wins. `signed_bits` is the width of a
    signed number that arrives unsigned. A number is multiplied by `scale`, then `shift` is added. Values in `invalid`
    mean "no reading", those in `absent` that nothing is connected there, which is no fault; `choices` maps texts to
    values. `percent_of` says what a percentage counts. If a path of `valid` is false, there is no reading.
    """

    source: tuple[str, ...]
    scale: float = 1.0
    shift: float = 0.0
    invalid: tuple[Scalar, ...] = ()
    absent: tuple[Scalar, ...] = ()
    choices: dict[str, Scalar] = {}
    unit: str = ""
    units: tuple[str, ...] = ()
    signed_bits: int = 0
    percent_of: Literal["filled", "empty"] = "filled"
    valid: tuple[str, ...] = ()


class EventRule(msgspec.Struct, frozen=True):
    """How one event of the contract is read: raised while the first present path of `source` is one of `when`.

    Without `when`, while it is true (a number other than zero, a word other than no). With `noted`, each occurrence is
    an event without duration.
    """

    source: tuple[str, ...]
    when: tuple[Scalar, ...] = ()
    noted: bool = False


class SensorGeometry(msgspec.Struct, frozen=True):
    """Measuring range of a distance sensor, in mm."""

    dead_zone_mm: float = 0.0
    range_mm: float = 20_000.0


class Profile(msgspec.Struct, frozen=True):
    """A device model: how its messages map to the contract.

    `frames` names the decoder of its raw frames, empty for none. `time` and `fix_time` list paths of its own clock and
    of the time of its position, for formats that do not define them. `matches` are names of the model at network
    servers, and `adapters` the formats it comes by; both serve to suggest it for an unknown device.
    """

    id: str
    kind: Kind
    fields: dict[str, FieldRule] = {}
    events: dict[str, EventRule] = {}
    name: str = ""
    frames: str = ""
    time: tuple[str, ...] = ()
    fix_time: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    geometry: SensorGeometry = SensorGeometry()
    interval_s: float | None = None


class City(msgspec.Struct):
    """A whole city. Mappings are keyed by id; device ids are unique over all kinds, `devices` holds them all.

    `shapes` is GeoJSON: the outline of the city and its kelurahan, for maps without internet.

    Only `replace_devices` changes it, by replacing whole mappings: an iteration over an old mapping is not affected.
    """

    id: str
    name: str
    time_zone: ZoneInfo
    lat_deg: float
    lon_deg: float
    hours: dict[str, DumpingHours]
    kelurahan: dict[str, Kelurahan]
    sites: dict[str, Site]
    models: dict[str, BinModel]
    profiles: dict[str, Profile]
    bins: dict[str, Bin]
    trucks: dict[str, Truck]
    access_points: dict[str, AccessPoint]
    cameras: dict[str, Camera]
    devices: dict[str, Device]
    shapes: bytes

    def replace_devices(self, devices: Mapping[str, Device]) -> None:
        """Replace the devices by exactly these."""
        self.devices = dict(devices)
        self.bins = {id_: device for id_, device in devices.items() if isinstance(device, Bin)}
        self.trucks = {id_: device for id_, device in devices.items() if isinstance(device, Truck)}
        self.access_points = {id_: device for id_, device in devices.items() if isinstance(device, AccessPoint)}
        self.cameras = {id_: device for id_, device in devices.items() if isinstance(device, Camera)}

    def hours_at(self, site: str) -> DumpingHours:
        """Dumping hours in force at a site; the city's default if the site names none or is unknown."""
        known = self.sites.get(site)
        return self.hours[known.hours if known else "default"]
