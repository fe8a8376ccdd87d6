"""Devices as entities: the published schemas hold for whatever a device may have said, and nothing is invented."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from api.exports.entity import Entity, Form, render
from api.exports.ngsi import ENTITY_TYPES, MappingContext
from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import Kind
from city.inventory.model import Device, Truck
from ingest.store.port import FieldValue, Latest
from ingest.store.records import Connectivity, EventRecord, RecordOrigin
from ingest.store.views.device_state import DeviceState, evaluate
from tests.support.smart_data_models import attributes_of, faults_of, published
from tests.unit.api.conftest import CITY, NOW

EXPORTS = Path(__file__).parents[3] / "docs" / "exports.md"
SAMPLES: dict[Kind, str] = {"bin": "bin-0451", "truck": "truck-01", "ap": "ap-liliba", "camera": "cam-01"}
HERE = {"lat_deg": -10.1712345678, "lon_deg": 123.6}
AT = "2026-03-01T12:00:00.000Z"


def standing(device: str | Device, *, raised: tuple[str, ...] = (), silent: bool = False, **values: Any) -> DeviceState:
    """How a device stands that has just said these values."""
    found = CITY.devices[device] if isinstance(device, str) else device
    at = NOW - timedelta(days=2) if silent else NOW
    said = Latest(found.KIND, found.id, {name: FieldValue(value, at) for name, value in values.items()}, at, at)
    events = {
        type_: EventRecord(RecordOrigin(found.KIND, found.id, "b", 1, at, at), type_, "raised", {}) for type_ in raised
    }
    (state,) = evaluate([found], {found.id: said} if values else {}, {found.id: events}, NOW, timedelta(0))
    return state


def made(type_: str, state: DeviceState, *, emptied: datetime | None = None, simulated: bool = False) -> Entity | None:
    source = MappingContext(CITY, simulated, {state.device.id: emptied} if emptied else {})
    return ENTITY_TYPES[type_].make(source, state)


def values_of(type_: str, state: DeviceState, form: Form = "simplified", **more: Any) -> dict[str, Any]:
    entity = made(type_, state, **more)
    assert entity is not None
    return render(entity, form)


def any_of(type_: inspect.Type) -> st.SearchStrategy[Any]:
    """Any value of a contract's field, as stores keep it: words as they are, lists and mappings as their JSON."""
    if isinstance(type_, inspect.UnionType):
        return any_of(next(option for option in type_.types if not isinstance(option, inspect.NoneType)))
    if isinstance(type_, inspect.FloatType):
        return st.floats(type_.ge, type_.le) | st.sampled_from([type_.ge, type_.le])
    if isinstance(type_, inspect.IntType):
        return st.integers(type_.ge, type_.le)
    if isinstance(type_, inspect.LiteralType):
        return st.sampled_from(type_.values)
    return st.booleans() if isinstance(type_, inspect.BoolType) else st.sampled_from(["[]", '["P0217"]', '{"a":1}'])


def field_values(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    """Any subset of the fields of a kind, with values of the contract's ranges."""
    struct = inspect.type_info(TELEMETRY[kind])
    assert isinstance(struct, inspect.StructType)
    fields = {field.name: any_of(field.type) for field in struct.fields if field.name in fields_of(kind)}
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.data())
def test_whatever_a_device_says_its_entities_are_valid(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(field_values(kind))
    raised = data.draw(st.sets(st.sampled_from(["fire", "tilt", "lid_open", "moved", "breakdown", "panic"])))
    state = standing(SAMPLES[kind], raised=tuple(raised), silent=data.draw(st.booleans()), **values)
    for type_, entity_type in ENTITY_TYPES.items():
        entity = entity_type.make(MappingContext(CITY, simulated=True, emptied_at={SAMPLES["bin"]: NOW}), state)
        assert entity is not None or kind not in entity_type.kinds or (type_, kind) == ("Vehicle", "truck")
        if entity:
            assert faults_of(render(entity, "simplified")) == []


@pytest.mark.parametrize("type_", ENTITY_TYPES)
def test_every_device_of_the_city_is_valid_though_it_never_said_anything(type_: str) -> None:
    entities = [made(type_, standing(device, **HERE)) for device in CITY.devices.values()]
    found = [render(entity, "simplified") for entity in entities if entity]
    assert len(found) == {"Device": 633, "Vehicle": 34, "WasteContainer": 528}[type_]
    assert [faults_of(entity) for entity in found if faults_of(entity)] == []
    assert len({entity["id"] for entity in found}) == len(found)


FULL: dict[Kind, dict[str, Any]] = {
    "bin": {"fill_pct": 41.0, "weight_kg": 35.5, "temperature_c": 31.5, "lid_open": False, "battery_pct": 87.0}
    | {"rssi_dbm": -97.0, "tilt_deg": 2.0},
    "truck": HERE
    | {"speed_kmh": 20.0, "heading_deg": 360.0, "odometer_km": 81_234.5, "load_kg": 900.0, "ignition": True}
    | {"battery_pct": 60.0, "fuel_pct": 44.0},
    "ap": {"clients": 12},
    "camera": {"scene_ok": True},
}


@pytest.mark.parametrize("type_", ENTITY_TYPES)
def test_every_attribute_is_one_of_the_schema_and_of_the_type_it_says(type_: str) -> None:
    known = attributes_of(type_)
    for kind in ENTITY_TYPES[type_].kinds:
        entity = made(type_, standing(SAMPLES[kind], **FULL[kind]), emptied=NOW)
        assert entity is not None
        # Theirs says of an identifier that it is one, not which type it has.
        told = {name: attribute.type for name, attribute in entity.attributes.items() if name != "refDeviceModel"}
        assert {name: known[name] for name in told} == told


@pytest.mark.parametrize("type_", ENTITY_TYPES)
def test_the_page_of_exports_names_attributes_that_there_are(type_: str) -> None:
    line = next(line for line in EXPORTS.read_text().splitlines() if line.startswith(f"| `{type_}` |"))
    named = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", line.split("|")[3])))
    entities = [made(type_, standing(SAMPLES[kind], **FULL[kind]), emptied=NOW) for kind in ENTITY_TYPES[type_].kinds]
    assert named
    assert named <= {name for entity in entities if entity for name in entity.attributes}


def test_the_schemas_of_the_test_find_faults() -> None:
    good = values_of("WasteContainer", standing("bin-0451", **FULL["bin"]))
    assert published("WasteContainer")["$schemaVersion"] == "0.3.0"
    for wrong in (
        {"fillingLevel": 41},
        {"storedWasteKind": ["organic"]},
        {"status": "full"},
        {"location": None},
        {"refDevice": []},
        {"dateLastEmptying": "yesterday"},
        {"address": {"kelurahan": "Liliba"}},
    ):
        assert faults_of({**good, **wrong}), wrong


def test_a_container() -> None:
    found = values_of("WasteContainer", standing("bin-0451", **FULL["bin"]), emptied=NOW)
    assert (found["id"], found["refDevice"]) == (
        "urn:ngsi-ld:WasteContainer:kupang:bin-0451",
        ["urn:ngsi-ld:Device:kupang:bin-0451"],
    )
    assert (found["fillingLevel"], found["binLoggedTime"], found["dateLastEmptying"]) == (0.41, AT, AT)
    assert (found["storedWasteKind"], found["binColor"], found["binCapacity"]) == ("organic", "yellow", 120.0)
    assert (found["temperature"], found["cargoWeight"], found["status"]) == (31.5, 35.5, "ok")
    assert found["address"] == {"addressLocality": "Tuak Daun Merah", "district": "Oebobo"}
    assert (found["binFullnessThreshold"], found["dataProvider"]) == (85.0, "Jaga Kota, Kota Kupang")


def test_what_is_not_known_is_absent() -> None:
    found = values_of("WasteContainer", standing("bin-0451"))
    absent = {"fillingLevel", "binLoggedTime", "temperature", "cargoWeight", "dateLastEmptying", "methaneConcentration"}
    assert not absent & found.keys()
    assert found["status"] == "unknown"
    device = values_of("Device", standing("bin-0451"))
    assert not {"batteryLevel", "rssi", "dateLastValueReported", "value"} & device.keys()
    assert device["deviceState"] == "unknown"


@pytest.mark.parametrize(
    ("raised", "values", "status"),
    [
        (("fire", "tilt"), {"fill_pct": 10.0}, "burning"),
        ((), {"temperature_c": 75.0}, "burning"),
        (("tilt",), {"fill_pct": 99.0}, "dropped"),
        ((), {"tilt_deg": 80.0, "lid_open": True}, "dropped"),
        (("moved",), {"fill_pct": 10.0}, "moved"),
        (("lid_open",), {"fill_pct": 10.0}, "lidOpen"),
        ((), {"fill_pct": 99.0, "lid_open": True}, "lidOpen"),
        ((), {"fill_pct": 99.0, "lid_open": False}, "ok"),
    ],
)
def test_the_status_of_a_container(raised: tuple[str, ...], values: dict[str, Any], status: str) -> None:
    assert values_of("WasteContainer", standing("bin-0451", raised=raised, **values))["status"] == status


@pytest.mark.parametrize(("raised", "status"), [((), "unknown"), (("fire",), "burning")])
def test_the_status_of_a_silent_container(raised: tuple[str, ...], status: str) -> None:
    state = standing("bin-0451", raised=raised, silent=True, lid_open=True)
    assert values_of("WasteContainer", state)["status"] == status


def test_a_truck() -> None:
    found = values_of("Vehicle", standing("truck-01", **FULL["truck"]), simulated=True)
    assert found["location"] == {"type": "Point", "coordinates": [123.6, -10.171235]}
    assert (found["vehicleType"], found["category"]) == ("lorry", ["municipalServices", "tracked"])
    assert (found["vehiclePlateIdentifier"], found["name"]) == ("DH 8014 A", "DH 8014 A")
    assert (found["speed"], found["heading"], found["bearing"], found["mileageFromOdometer"]) == (20, 0, 360, 81_234.5)
    assert (found["cargoWeight"], found["battery"], found["ignitionStatus"]) == (900, 0.6, True)
    assert (found["serviceStatus"], found["dataProvider"]) == ("onRoute", "Jaga Kota, Kota Kupang (simulated)")
    assert "fuelLevel" not in found


def test_a_truck_that_stands_has_no_heading_and_an_empty_one_no_weight() -> None:
    found = values_of("Vehicle", standing("truck-01", **HERE, speed_kmh=0.0, heading_deg=90.0, load_kg=0.0))
    assert (found["heading"], found["bearing"], "cargoWeight" in found) == (-1, 90, False)


@pytest.mark.parametrize(
    ("raised", "values", "status"),
    [
        ((), {"ignition": False}, "parked"),
        ((), {"fault_codes": '["P0217"]'}, "broken"),
        (("breakdown",), {"ignition": True}, "broken"),
        ((), {"pto": True}, "onRoute"),
    ],
)
def test_the_service_of_a_truck(raised: tuple[str, ...], values: dict[str, Any], status: str) -> None:
    assert values_of("Vehicle", standing("truck-01", raised=raised, **HERE, **values))["serviceStatus"] == status


def test_a_truck_is_no_vehicle_before_it_says_where_it_is_but_a_device() -> None:
    state = standing("truck-01", speed_kmh=20.0)
    assert made("Vehicle", state) is None
    assert "location" not in values_of("Device", state)


def test_a_device() -> None:
    found = values_of("Device", standing("bin-0451", **FULL["bin"]))
    assert (found["batteryLevel"], found["rssi"], found["deviceState"]) == (0.87, -97.0, "online")
    assert found["controlledAsset"] == ["urn:ngsi-ld:WasteContainer:kupang:bin-0451"]
    assert found["controlledProperty"] == ["fillingLevel", "temperature", "weight"]
    assert (found["deviceCategory"], found["dateLastValueReported"]) == (["sensor"], AT)
    camera = replace(CITY.cameras["cam-01"], source="rtsp://user:secret@10.0.0.7/stream")
    assert "secret" not in str(values_of("Device", standing(camera, **FULL["camera"])))


def test_a_model_s_name_that_is_no_id_makes_a_urn_all_the_same() -> None:
    point = replace(CITY.access_points["ap-liliba"], model="Wi-Fi 6/äöü {x}")
    found = values_of("Device", standing(point, clients=3))
    assert found["refDeviceModel"] == "urn:ngsi-ld:DeviceModel:kupang:Wi-Fi%206%2F%C3%A4%C3%B6%C3%BC%20%7Bx%7D"
    assert faults_of(found) == []


def test_the_three_forms() -> None:
    state = standing("bin-0451", fill_pct=41.0)
    normalized, concise = (values_of("WasteContainer", state, form, emptied=NOW) for form in ("normalized", "concise"))  # type: ignore[arg-type]
    assert normalized["fillingLevel"] == {"type": "Property", "value": 0.41, "unitCode": "C62", "observedAt": AT}
    assert concise["fillingLevel"] == {"value": 0.41, "unitCode": "C62", "observedAt": AT}
    assert normalized["dateLastEmptying"]["value"] == {"@type": "DateTime", "@value": AT}
    assert normalized["refDevice"] == {"type": "Relationship", "object": ["urn:ngsi-ld:Device:kupang:bin-0451"]}
    assert concise["refDevice"] == {"object": ["urn:ngsi-ld:Device:kupang:bin-0451"]}
    assert (normalized["location"]["type"], concise["binColor"]) == ("GeoProperty", "yellow")


def test_a_place_that_was_measured_says_when() -> None:
    entity = made("Vehicle", standing("truck-01", **HERE))
    assert entity is not None
    assert entity.attributes["location"].observed_at == NOW
    assert isinstance(CITY.devices["truck-01"], Truck)


@pytest.mark.parametrize("connected", ["online", "sleeping"])
def test_who_sleeps_is_there(connected: Connectivity) -> None:
    state = DeviceState(CITY.devices["bin-0451"], None, connected, {}, standing("bin-0451", fill_pct=1.0).condition)
    assert values_of("WasteContainer", state)["status"] == "ok"
