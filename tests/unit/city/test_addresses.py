"""Addresses of other makers' devices: one spelling, and what can never be heard is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from city.cli.check import run
from city.errors import ConfigError
from city.inventory.addresses import (
    FORMS,
    address_doubt,
    address_fault,
    address_key,
    normal_address,
    normal_mac,
    written_address,
)
from city.inventory.adoption import Adoption, check_adoption
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Binding
from ingest.decoding.address_index import DeviceAddressIndex
from ingest.decoding.formats.registry import ADAPTERS
from tests.support.decoding import city_of, device

MAC = "9a:3b:8f:00:0c:07"
EUI = "24e124aabbccdd01"
IMEI = "356307042441013"
TRUCK = "truck-99,DH 1 Z,depot-oesapa,8000,,"


def test_every_format_says_what_an_address_is() -> None:
    assert set(FORMS) == {adapter.name for adapter in ADAPTERS}
    assert set().union(*FORMS.values()) == {"mac", "eui64", "imei", "text"}


@pytest.mark.parametrize(
    "text", ["9A:3B:8F:00:0C:07", "9a-3b-8f-00-0c-07", "9a3b.8f00.0c07", "9A3B8F000C07", "9a3b8f-000c07", f" {MAC} "]
)
@pytest.mark.parametrize("adapter", ["unifi", "omada", "radius", "netjson", "axis"])
def test_a_mac_address_has_one_spelling(adapter: str, text: str) -> None:
    assert normal_mac(text) == normal_address(adapter, text) == MAC
    assert address_fault(adapter, text) == ""


@pytest.mark.parametrize("text", ["24E124AABBCCDD01", "24-E1-24-AA-BB-CC-DD-01", "24:e1:24:aa:bb:cc:dd:01"])
@pytest.mark.parametrize("adapter", ["tts", "chirpstack", "loriot", "milesight"])
def test_a_deveui_has_one_spelling(adapter: str, text: str) -> None:
    assert normal_address(adapter, text) == EUI
    assert address_fault(adapter, text) == ""
    assert normal_address("tts", f"Bins/{text}") == f"Bins/{EUI}"


@pytest.mark.parametrize("text", [IMEI, "35 630704 244101 3", "35-630704-244101-3", "35-630704/244101/3"])
@pytest.mark.parametrize("adapter", ["teltonika", "traccar", "milesight"])
def test_an_imei_is_its_digits(adapter: str, text: str) -> None:
    assert normal_address(adapter, text) == written_address(adapter, text) == IMEI
    assert address_fault(adapter, text) == ""


def test_a_name_keeps_its_case_and_is_found_in_any() -> None:
    assert normal_address("owntracks", "DLHK/Truck-31") == "DLHK/Truck-31"
    assert address_key("owntracks", "DLHK/Truck-31") == "dlhk/truck-31"
    assert normal_address("collectd", "35 630704 244101 3") == "35 630704 244101 3"


def test_a_name_that_is_a_level_of_the_devices_own_topic_stays_as_it_is() -> None:
    assert written_address("axis", "9A3B8F000C07") == "9A3B8F000C07"
    assert written_address("omada", "9A3B8F000C07") == MAC


@pytest.mark.parametrize(
    ("adapter", "text", "reason"),
    [
        ("teltonika", "3.56307E+14", "spreadsheet"),
        ("teltonika", "3,56307E+14", "spreadsheet"),
        ("traccar", "3.56307E+14", "spreadsheet"),
        ("tts", "2.41246E+15", "spreadsheet"),
        ("json", "1E+15", "spreadsheet"),
        ("teltonika", "35630704244", "14 to 17 digits"),
        ("teltonika", "356307042441013.0", "14 to 17 digits"),
        ("teltonika", "'356307042441013", "14 to 17 digits"),
        ("teltonika", "356307042441013999", "14 to 17 digits"),
        ("teltonika", "truck-1", "14 to 17 digits"),
        ("chirpstack", EUI[:-1], "16 hexadecimal digits"),
        ("chirpstack", f"{EUI}0", "16 hexadecimal digits"),
        ("loriot", "24e124aabbccdd0g", "16 hexadecimal digits"),
        ("loriot", MAC, "16 hexadecimal digits"),
        ("unifi", "9a:3b:8f:00:0c", "12 hexadecimal digits"),
        ("omada", "9A-3B-8F-00-0C-07-01", "12 hexadecimal digits"),
        ("tts", "24:e1:24:aa:bb:cc:dd", "16 hexadecimal digits"),
    ],
)
def test_what_a_format_can_never_have_is_refused(adapter: str, text: str, reason: str) -> None:
    assert reason in address_fault(adapter, text)


@pytest.mark.parametrize(
    ("adapter", "text"),
    [
        ("unifi", "lobby"),
        ("omada", "AP 12-34"),
        ("tts", "bins/em310-0001"),
        ("tts", "bins/aa-bb-cc-dd-ee-ff"),
        ("traccar", "860"),
        ("frigate", "3.5E+14x"),
        ("json", "aa:bb:cc:dd:ee"),
        ("radius", "10.0.0.7"),
        ("nobody", "anything"),
    ],
)
def test_a_name_that_a_sender_may_use_is_taken(adapter: str, text: str) -> None:
    assert address_fault(adapter, text) == ""


@pytest.mark.parametrize(
    ("adapter", "address", "is_doubted"),
    [
        ("teltonika", IMEI, False),
        ("teltonika", f"{IMEI[:-1]}4", True),
        ("traccar", f"{IMEI[:-1]}4", True),
        ("teltonika", IMEI[:-1], False),
        ("teltonika", f"{IMEI}4", False),
        ("json", f"{IMEI[:-1]}4", False),
    ],
)
def test_a_wrong_check_digit_is_doubted(adapter: str, address: str, *, is_doubted: bool) -> None:
    assert bool(address_doubt(Binding(adapter, address, "p"))) == is_doubted


@pytest.mark.parametrize(
    ("adapter", "profile", "written", "heard"),
    [
        ("omada", "omada-ap", "9A-3B-8F-00-0C-07", MAC),
        ("netjson", "openwrt-ap", MAC, "9A3B8F000C07"),
        ("chirpstack", "milesight-em310-udl", "24-E1-24-AA-BB-CC-DD-01", EUI),
        ("loriot", "milesight-em310-udl", EUI, "24-E1-24-AA-BB-CC-DD-01"),
        ("teltonika", "teltonika-truck", "35-630704-244101-3", IMEI),
    ],
)
def test_a_device_is_found_in_any_spelling(adapter: str, profile: str, written: str, heard: str) -> None:
    index = DeviceAddressIndex(city_of(device(adapter, written, profile)))
    assert index.find(adapter, (heard,)) is not None
    assert index.find("frigate", (heard,)) is None


def test_an_adopted_device_has_the_one_spelling_and_no_address_twice() -> None:
    kupang = load_city(builtin_city("kupang"))
    fields = {"adapter": "chirpstack", "address": "24-E1-24-AA-BB-CC-DD-01", "profile": "milesight-em310-udl"}
    first = check_adoption(kupang, Adoption("bin-0001", "bin", fields, attach=True))
    assert first.binding is not None
    assert first.binding.address == EUI
    city = kupang.with_devices({**kupang.devices, "bin-0001": first})
    with pytest.raises(ConfigError, match=f"{EUI}' is already in"):
        check_adoption(city, Adoption("bin-0002", "bin", {**fields, "address": EUI.upper()}, attach=True))
    with pytest.raises(ConfigError, match="16 hexadecimal digits"):
        check_adoption(city, Adoption("bin-0002", "bin", {**fields, "address": "24e1"}, attach=True))


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str]]:
    """`kota check` of the reference city with one more truck, heard under an address: exit code and output."""

    def checked(address: str) -> tuple[int, str]:
        folder = tmp_path / "city"
        folder.mkdir()
        for path in builtin_city("kupang").iterdir():
            if path.suffix != ".pyc" and path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
        (folder / "cameras.toml").write_text("")
        with (folder / "trucks.csv").open("a") as trucks:
            trucks.write(f"{TRUCK}teltonika,{address},teltonika-truck\n")
        code = run(["--city", str(folder), "--data", str(tmp_path), "--port", "0", "--mqtt-port", "0"])
        return code, capsys.readouterr().out

    return checked


def test_check_refuses_a_shortened_number_by_its_line(check: Callable[[str], tuple[int, str]]) -> None:
    code, out = check("3.56307E+14")
    assert code == 2
    assert "3.56307E+14" in next(line for line in out.splitlines() if "trucks.csv" in line)


def test_check_notes_a_wrong_check_digit_and_goes_on(check: Callable[[str], tuple[int, str]]) -> None:
    code, out = check(f"{IMEI[:-1]}4")
    assert code in {0, 1}
    assert "ok   inventory" in out
    assert next(line for line in out.splitlines() if "truck-99" in line).startswith("note addresses: ")


def test_check_says_nothing_against_a_right_imei(check: Callable[[str], tuple[int, str]]) -> None:
    _, out = check(IMEI)
    assert "ok   addresses" in out
