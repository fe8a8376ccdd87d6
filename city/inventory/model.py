"""Domain model of a city: frozen dataclasses that `city.inventory.loader` fills from files and every service uses.

The types of their fields say how pydantic reads them from a file; code that makes one itself is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from broker.contract.topics import Kind
from city.inventory.collection import DayWindow, VehicleClass, stream_loads, stream_names
from city.inventory.field_types import (
    BitCount,
    Id,
    IntervalS,
    LatDeg,
    LengthMm,
    LonDeg,
    Number,
    Paths,
    PathsWithUnits,
    RangeMm,
    Ready,
    ScalarValue,
    SplitTexts,
    Text,
    Texts,
    TimeZone,
    UnitName,
    below,
    between,
    freeze,
    reference,
)
from city.inventory.windows import DumpingHours
from city.inventory.zones import PersonHeight, Zone, ZonePlan

SiteKind = Literal["tps", "office", "park", "depot", "landfill"]
WasteKind = Literal["organic", "non_organic"]
BinMaterial = Literal["plastic", "steel"]
BinColor = Literal["yellow", "green", "grey"]
PercentOf = Literal["filled", "empty"]
_Factor = Annotated[Number, between(-1e9, 1e9)]


@dataclass(frozen=True, slots=True)
class Kelurahan:
    """An urban village; its position is an approximate centre.

    `detour_factor`: how much longer than the straight line its roads are, where nothing better is known.
    """

    id: Id
    name: Text
    kecamatan: Text
    lat_deg: LatDeg
    lon_deg: LonDeg
    detour_factor: Annotated[Number, between(1, 10)] = 1.4


@dataclass(frozen=True, slots=True)
class Site:
    """A place: collection point (TPS), office, park, depot or landfill.

    `clear_copies` is whether clear copies (with people) of its cameras' evidence are also kept, encrypted.
    `service_hours`: when trucks may collect or unload there; None for any time.
    """

    id: Id
    name: Text
    kind: SiteKind
    kelurahan: Annotated[str, reference("kelurahan")]
    lat_deg: LatDeg
    lon_deg: LonDeg
    hours: Annotated[str, reference("table of hours")] = "default"
    clear_copies: bool = False
    service_hours: DayWindow = None


@dataclass(frozen=True, slots=True)
class BinModel:
    """Geometry of a container and its sensor: distances in mm from the sensor downwards.

    fill = (height - offset - distance) / (height - offset - dead_zone), see blueprint section 4.
    """

    id: Id
    material: BinMaterial
    capacity_l: Annotated[Number, between(1, 100_000)]
    height_mm: Annotated[Number, between(1, 20_000)]
    offset_mm: LengthMm = 0.0
    dead_zone_mm: Annotated[LengthMm, below("height_mm", "offset_mm"), Field(validate_default=True)] = 0.0
    invalid_mm: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """A device's binding to a third-party server: its address there, and the profile of its messages.

    What an address is, each adapter's page says: for LoRaWAN the DevEUI, for OwnTracks `user/device`.
    """

    adapter: Text
    address: Text
    profile: Annotated[str, reference("profile")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Fields of every device; `interval_s` is its reporting interval, `binding` its name at a third-party server."""

    KIND: ClassVar[Kind]

    id: Id
    kelurahan: Annotated[str, reference("kelurahan")] = ""
    site: Annotated[str, reference("site")] = ""
    lat_deg: LatDeg | None = None
    lon_deg: LonDeg | None = None
    interval_s: IntervalS = 600.0
    binding: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin(Device):
    """A waste container. Colour and waste kind are two separate facts.

    `every_days`: it is collected at least so often; None if only its level decides. `access`: the largest vehicle class
    that its street admits.
    """

    KIND: ClassVar[Kind] = "bin"

    model: Annotated[str, reference("model")]
    waste_kind: WasteKind
    color: BinColor
    every_days: Annotated[int, between(1, 31)] | None = None
    access: VehicleClass = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truck(Device):
    """A garbage truck; `depot` is a site's id, and so is `end_depot`, empty for the same.

    `split_kg`: the compartments of a divided body, by stream; empty for an undivided one, which carries one stream a
    trip. `streams`: what an undivided body may carry, empty for all. `day_kg`: limit of all its trips of a day.
    `shift`: when its crew works; None for the city's shift.
    """

    KIND: ClassVar[Kind] = "truck"

    plate: Text
    depot: Annotated[str, reference("site")]
    capacity_kg: Annotated[Number, between(1, 60_000)]
    end_depot: Annotated[str, reference("site")] = ""
    vehicle_class: VehicleClass = "large"
    split_kg: Annotated[tuple[tuple[str, float], ...], stream_loads(get_args(WasteKind))] = ()
    streams: Annotated[tuple[str, ...], stream_names(get_args(WasteKind))] = ()
    day_kg: Annotated[Number, between(1, 600_000)] | None = None
    shift: DayWindow = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint(Device):
    """A Wi-Fi access point with the SSIDs it offers."""

    KIND: ClassVar[Kind] = "ap"

    model: Text
    ssids: SplitTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera(Device):
    """A fixed camera; `source` is an address, a file, a folder of frames or `demo`.

    An address is that of the low-rate sub stream: `rtsp://`, `rtsps://`, or `http://` and `https://` for JPEG pictures.

    A plan drawn in the console (`city.inventory.zone_plans`) replaces `zones` and `person_height`.
    """

    KIND: ClassVar[Kind] = "camera"

    source: Text = ""
    zones: tuple[Zone, ...] = ()
    person_height: PersonHeight = ()

    @property
    def plan(self) -> ZonePlan:
        """Zone plan of the inventory."""
        return ZonePlan(self.zones, self.person_height)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one contract field is read from a third-party payload.

    `source` lists dotted paths, the first present wins. `unit` is the device's unit, empty for the contract's own
    (`city.inventory.units`), `units` those of single paths; a unit written behind a number wins. `signed_bits` is the
    width of a signed number that arrives unsigned. A number is multiplied by `scale`, then `shift` is added. Values in
    `invalid` mean "no reading", those in `absent` that nothing is connected there, which is no fault; `choices` maps
    texts to values. `percent_of` says what a percentage counts. If a path of `valid` is false, there is no reading.
    """

    source: PathsWithUnits
    scale: _Factor = 1.0
    shift: _Factor = 0.0
    invalid: tuple[ScalarValue, ...] = ()
    absent: tuple[ScalarValue, ...] = ()
    choices: Mapping[str, ScalarValue] = field(default_factory=dict)
    unit: UnitName = ""
    units: tuple[str, ...] = ()
    signed_bits: BitCount = 0
    percent_of: PercentOf = "filled"
    valid: Texts = ()

    def __post_init__(self) -> None:
        """Make `choices` read-only."""
        freeze(self, "choices")


@dataclass(frozen=True, slots=True)
class EventRule:
    """How one event of the contract is read: raised while the first present path of `source` is one of `when`.

    Without `when`, while it is true (a number other than zero, a word other than no). With `noted`, each occurrence is
    an event without duration.
    """

    source: Paths
    when: tuple[ScalarValue, ...] = ()
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Codec:
    """A payload codec: JavaScript that decodes the frames of a model. `source` is the script.

    It defines `decodeUplink` (LoRa Alliance TS013), or the older `Decoder` or `Decode`.
    """

    id: Id
    source: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorGeometry:
    """Measuring range of a distance sensor, in mm."""

    range_mm: RangeMm = 20_000.0
    dead_zone_mm: Annotated[RangeMm, below("range_mm"), Field(validate_default=True)] = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A device model: how its messages map to the contract.

    `frames` names the frame decoder of its raw frames and `codec` the city's codec of them, empty for none. `time` and
    `fix_time` list paths of its own clock and of the time of its position, for formats that do not define them.
    `accuracy` lists paths of the position's radius in metres, `fix_valid` and `fix_invalid` paths of what says by yes
    that the position is one, or is none. `matches` are names of the model at network servers, and `adapters` the
    formats it comes by; both serve to suggest it for an unknown device.
    """

    id: Id
    kind: Kind
    fields: Ready[Mapping[str, FieldRule]] = field(default_factory=dict)
    events: Ready[Mapping[str, EventRule]] = field(default_factory=dict)
    name: Text = ""
    frames: Text = ""
    codec: Text = ""
    time: Texts = ()
    fix_time: Texts = ()
    accuracy: Texts = ("accuracy",)
    fix_valid: Texts = ()
    fix_invalid: Texts = ()
    matches: Texts = ()
    adapters: Texts = ()
    geometry: SensorGeometry = SensorGeometry()
    interval_s: IntervalS | None = None

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        freeze(self, "fields", "events")


@dataclass(frozen=True, slots=True, eq=False)
class City:
    """An immutable snapshot of a whole city. Mappings are read-only and keyed by id; `devices` holds all kinds.

    A change of the inventory makes another snapshot, of a larger `version`
    (`city.inventory.provider.InventoryProvider`). Whoever keeps something made from a snapshot makes it again when the
    version is another one.

    `shapes` is GeoJSON: the outline of the city and its kelurahan, for maps without internet.
    """

    id: Id
    name: Text
    time_zone: TimeZone
    lat_deg: LatDeg
    lon_deg: LonDeg
    hours: Ready[Mapping[str, DumpingHours]]
    kelurahan: Ready[Mapping[str, Kelurahan]]
    sites: Ready[Mapping[str, Site]]
    models: Ready[Mapping[str, BinModel]]
    profiles: Ready[Mapping[str, Profile]]
    devices: Ready[Mapping[str, Device]]
    shapes: bytes
    codecs: Ready[Mapping[str, Codec]] = field(default_factory=dict)
    version: int = 1
    bins: Mapping[str, Bin] = field(init=False)
    trucks: Mapping[str, Truck] = field(init=False)
    access_points: Mapping[str, AccessPoint] = field(init=False)
    cameras: Mapping[str, Camera] = field(init=False)

    def __post_init__(self) -> None:
        """Make the mappings read-only, and those of each kind."""
        freeze(self, "hours", "kelurahan", "sites", "models", "profiles", "codecs", "devices")
        for name, kind in (("bins", Bin), ("trucks", Truck), ("access_points", AccessPoint), ("cameras", Camera)):
            of_kind = {id_: device for id_, device in self.devices.items() if isinstance(device, kind)}
            object.__setattr__(self, name, MappingProxyType(of_kind))

    def with_devices(
        self,
        devices: Mapping[str, Device],
        profiles: Mapping[str, Profile] | None = None,
        codecs: Mapping[str, Codec] | None = None,
    ) -> City:
        """The next snapshot: this city with exactly these devices, profiles and codecs; None keeps what there is."""
        profiles = self.profiles if profiles is None else profiles
        codecs = self.codecs if codecs is None else codecs
        return replace(self, devices=devices, profiles=profiles, codecs=codecs, version=self.version + 1)

    def current(self) -> City:
        """This snapshot: a provider for work against a fixed inventory, such as a dry run."""
        return self

    def hours_at(self, site: str) -> DumpingHours:
        """Dumping hours in force at a site; the city's default if the site names none or is unknown."""
        known = self.sites.get(site)
        return self.hours[known.hours if known else "default"]
