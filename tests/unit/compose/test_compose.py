"""What can be said of docker-compose.yml without an engine: it names what exists, and opens no more than it must."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from city.cli.env_file import SECRETS
from city.cli.env_file import run as secrets_run
from city.cli.main import VERBS
from city.cli.share_secrets import share_secrets
from city.runtime.settings import Settings
from ingest.store.influx.setup_plan import account_name
from tests.support.brokers import ROOT
from tests.support.compose import (
    FILE,
    TLS_FILE,
    VARIABLE,
    MissingVariableError,
    Mount,
    Services,
    mounts_of,
    ours,
    read_env,
    services,
    texts,
)
from tests.support.require import skip_without

RAW: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
NAMES = sorted(RAW["services"])
GRAFANAS_OWN = {"KOTA_GRAFANA_INFLUX_USER"}


@pytest.mark.parametrize("name", NAMES)
def test_images_are_pinned_to_a_version(found: Services, name: str) -> None:
    assert re.search(r":\d+(\.\d+)+$", found[name]["image"])


def test_our_image_has_the_version_of_the_project(found: Services) -> None:
    version = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    assert {service["image"] for service in ours(found).values()} == {f"jaga-kota:{version}"}


def test_our_image_is_built_once(found: Services) -> None:
    assert [name for name, service in found.items() if "build" in service] == ["secrets-setup"]


def is_one_shot(service: dict[str, Any]) -> bool:
    return bool(service["restart"] == "no")


@pytest.mark.parametrize("name", NAMES)
def test_what_stays_is_asked_for_its_health_and_what_ends_is_not(found: Services, name: str) -> None:
    assert ("healthcheck" in found[name]) != is_one_shot(found[name])
    assert is_one_shot(found[name]) == (name.endswith("-setup") or name == "operator")


@pytest.mark.parametrize("name", NAMES)
def test_who_waits_waits_for_health_or_for_an_end(found: Services, name: str) -> None:
    for other, how in found[name].get("depends_on", {}).items():
        ends = is_one_shot(found[other])
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert "profiles" not in found[other]


@pytest.mark.parametrize("name", NAMES)
def test_containers_are_hardened_and_bounded(found: Services, name: str) -> None:
    service = found[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert not {"privileged", "cap_add", "devices"} & service.keys()


def test_only_pages_and_devices_have_a_port_and_it_is_loopback_s_unless_asked_otherwise(found: Services) -> None:
    ports = {name: service["ports"] for name, service in found.items() if "ports" in service}
    assert ports == {
        "mosquitto": ["127.0.0.1:1883:1883"],
        "api": ["127.0.0.1:8080:8080"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_the_database_and_the_bus_can_be_reached_by_those_who_use_them_alone(found: Services) -> None:
    assert {name for name, net in RAW["networks"].items() if net.get("internal")} == {"bus", "store", "accounts"}
    assert found["influxdb"]["networks"] == ["store"]
    assert {name for name, service in found.items() if "accounts" in service.get("networks", [])} == {
        *("database", "api", "operator"),
    }
    assert {name for name, service in found.items() if "store" in service.get("networks", [])} == {
        *("influxdb", "influxdb-setup", "ingest", "api", "grafana"),
    }
    assert found["mosquitto-setup"]["network_mode"] == found["secrets-setup"]["network_mode"] == "none"


def test_who_has_an_address_in_its_variables_shares_a_network_with_it(found: Services) -> None:
    for name, service in found.items():
        for value in service.get("environment", {}).values():
            for host in re.findall(r"^(?:https?://)?([a-z]+)(?::\d+)?$", str(value)):
                if host in found and name != "mosquitto-setup":
                    assert set(service["networks"]) & set(found[host]["networks"]), (name, host)


def test_secrets_must_be_given_and_are_never_written_here() -> None:
    for hit in VARIABLE.finditer(texts()):
        if hit["name"] in SECRETS:
            assert hit["how"] == "?", hit[0]
    for name, service in RAW["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET(?!S_FOLDER)", variable):
                assert value.startswith("${"), (name, variable)


def test_each_secret_reaches_only_who_needs_it(env: dict[str, str], found: Services) -> None:
    holders = {
        secret: {name for name, service in found.items() if env[secret] in str(service.get("environment", {}))}
        for secret in SECRETS
    }
    assert holders == {
        "KOTA_DATABASE_ADMIN_PASSWORD": {"database"},
        "KOTA_DATABASE_PASSWORD": {"database", "api", "operator"},
        "KOTA_INFLUX_ADMIN_PASSWORD": {"influxdb-setup"},
        "KOTA_INFLUX_ADMIN_TOKEN": {"influxdb-setup"},
        "KOTA_GRAFANA_INFLUX_PASSWORD": {"influxdb-setup", "grafana"},
        "GRAFANA_ADMIN_PASSWORD": {"grafana", "grafana-setup"},
        "GRAFANA_WALL_PASSWORD": {"grafana-setup"},
    }


def test_without_the_variables_nothing_starts_and_the_reason_is_said() -> None:
    with pytest.raises(MissingVariableError, match="kota secrets init"):
        services({})


def test_every_variable_is_written_by_the_verb_or_has_a_default(env: dict[str, str]) -> None:
    needed = {hit["name"] for hit in VARIABLE.finditer(texts()) if hit["name"] and hit["how"] != "-"}
    assert needed <= env.keys()
    named = {hit["name"] for hit in VARIABLE.finditer(texts())}
    assert env.keys() <= named


def test_a_default_of_a_setting_is_the_setting_s_own() -> None:
    for hit in VARIABLE.finditer(texts()):
        if hit["how"] == "-" and hit["name"].startswith("KOTA_") and hit["name"] != "KOTA_DEMO":
            assert hit["rest"] == str(Settings.model_fields[hit["name"].removeprefix("KOTA_").lower()].default), hit[0]


@pytest.mark.parametrize("name", NAMES)
def test_variables_of_our_services_are_settings_and_in_range(env: dict[str, str], found: Services, name: str) -> None:
    given = {key: str(value) for key, value in found[name].get("environment", {}).items() if key.startswith("KOTA_")}
    if name == "database":
        assert given.keys() == {"KOTA_DATABASE_PASSWORD"}
        return
    if name == "grafana":
        assert given.keys() - GRAFANAS_OWN <= {f"KOTA_{field.upper()}" for field in Settings.model_fields}
        assert given["KOTA_GRAFANA_INFLUX_USER"] == account_name(env["KOTA_INFLUX_DATABASE"], "grafana")
        return
    Settings.model_validate({key.removeprefix("KOTA_").lower(): value for key, value in given.items()})


def test_only_the_demo_s_variables_make_a_demo(tmp_path: Path, found: Services) -> None:
    assert {service["environment"].get("KOTA_DEMO", "false") for service in ours(found).values()} == {"false"}
    secrets_run(["init", "--out", str(tmp_path / ".env"), "--demo"])
    demo = read_env(tmp_path / ".env")
    assert demo["COMPOSE_PROFILES"] == "demo"
    for name in ("secrets-setup", "mosquitto-setup", "ingest", "api", "vision", "simulator"):
        assert services(demo)[name]["environment"]["KOTA_DEMO"] == "true"
    assert [name for name, service in found.items() if service.get("profiles")] == ["operator", "simulator"]


COMMANDS = {
    (name, tuple(command))
    for name, service in RAW["services"].items()
    if service["image"].startswith("jaga-kota:")
    for command in (service["command"], service.get("healthcheck", {}).get("test", [])[2:])
    if command
} | {("mosquitto-setup", tuple(yaml.safe_load(TLS_FILE.read_text())["services"]["mosquitto-setup"]["command"]))}


@pytest.mark.parametrize(("name", "command"), sorted(COMMANDS))
def test_commands_are_verbs_whose_options_exist(name: str, command: tuple[str, ...]) -> None:
    verb, *options = command
    assert verb in VERBS, name
    module = importlib.import_module(VERBS[verb].module)
    with pytest.raises(SystemExit) as ended:
        module.run([*VERBS[verb].before, *options, "--help"])
    assert ended.value.code == 0
    described = {option for option in options if option.startswith("--")}
    text = Path(str(module.__file__)).read_text()
    assert all(f'"{option}"' in text for option in described)


@pytest.mark.parametrize("name", NAMES)
def test_health_is_asked_of_the_service_itself(found: Services, name: str) -> None:
    test = found[name].get("healthcheck", {}).get("test", [])
    if test[1:3] == ["kota", "health"]:
        assert test[3] == name


MOUNTED = sorted(
    {
        (name, mount)
        for name, service in services(
            {hit["name"]: f"${hit['name']}" for hit in VARIABLE.finditer(texts()) if hit["name"]}
        ).items()
        for mount in mounts_of(service)
    }
)


@pytest.mark.parametrize(("name", "mount"), MOUNTED)
def test_mounts_name_a_volume_or_something_that_is_there(env: dict[str, str], name: str, mount: Mount) -> None:
    if mount.source in RAW["volumes"]:
        assert mount.target.startswith("/")
        return
    assert mount.read_only, name
    path = env[mount.source[1:]] if mount.source.startswith("$") else mount.source
    if path == "./grafana/provisioning" and not (ROOT / path).exists():
        skip_without(f"{path} is not made yet")
    assert (ROOT / path).is_dir()


def test_grafana_is_given_what_its_provisioning_asks_for_and_its_home_board_is_there(found: Services) -> None:
    folder = ROOT / "grafana" / "provisioning"
    skip_without("" if folder.exists() else f"{folder} is not made yet")
    given = found["grafana"]["environment"]
    asked = {
        name
        for path in folder.rglob("*.y*ml")
        for name in re.findall(r"\$\{?((?:KOTA|GF|GRAFANA)_\w+)", path.read_text(encoding="utf-8"))
    }
    assert asked <= given.keys()
    assert given["GF_PATHS_PROVISIONING"] == mounts_of(found["grafana"])[1].target
    home = Path(given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).relative_to(given["GF_PATHS_PROVISIONING"])
    assert (folder / home).is_file()


def test_every_volume_is_mounted() -> None:
    used = {mount.source for _, mount in MOUNTED}
    assert set(RAW["volumes"]) <= used


KEY_HOLDERS = {"secrets-setup", "mosquitto-setup", "operator"}
"""Who sees the whole volume, and with it the city's key: containers that end."""


def test_no_service_that_stays_sees_the_city_s_key(found: Services) -> None:
    whole = {name for name, mount in MOUNTED if mount.source == "city" and not mount.subpath}
    assert whole == KEY_HOLDERS
    assert all(is_one_shot(found[name]) for name in whole)


def test_each_service_reads_its_own_secrets_and_writes_none(found: Services) -> None:
    for name, service in found.items():
        own = [mount for mount in mounts_of(service) if mount.subpath.startswith("secrets")]
        if "KOTA_SECRETS_FOLDER" not in service.get("environment", {}):
            assert own == [], name
            continue
        folder = service["environment"]["KOTA_SECRETS_FOLDER"]
        assert Mount("city", folder, f"secrets/{name}", read_only=True) in own
        # The setup of InfluxDB writes the tokens of others.
        assert len(own) == 1 or name == "influxdb-setup"


def test_folders_of_the_volume_are_made_before_anybody_mounts_one(found: Services, tmp_path: Path) -> None:
    share_secrets(Settings(data=tmp_path, city="kupang", demo=True))
    for name, service in found.items():
        folders = [mount.subpath for mount in mounts_of(service) if mount.subpath]
        assert [folder for folder in folders if not (tmp_path / folder).is_dir()] == [], name
        assert not folders or "secrets-setup" in _awaited(name, found), name


def _awaited(name: str, found: Services) -> set[str]:
    """Everything whose end or health a service waits for, by way of others too."""
    direct = set(found[name].get("depends_on", {}))
    return direct.union(*(_awaited(other, found) for other in direct))


def test_who_parses_cameras_streams_reaches_no_account_and_no_journal(found: Services) -> None:
    folders = {mount.subpath for mount in mounts_of(found["vision"]) if mount.source == "city"}
    assert not folders & {"", "audit", "ingest", "store", "gateways", "secrets", "secrets/api", "secrets/ingest"}


def test_folders_of_mosquitto_exist_in_our_image_alone_so_that_they_are_ours(found: Services) -> None:
    # An empty volume takes content and owner of the folder of the image it is first mounted over.
    dockerfile = (ROOT / "Dockerfile").read_text()
    for mount in mounts_of(found["mosquitto"]):
        folder = mount.target
        assert folder.startswith("/srv/mosquitto/")
        assert folder in dockerfile
    uid = re.findall(r"^USER (\d+:\d+)$", dockerfile, re.MULTILINE)[0]
    assert found["mosquitto"]["user"] == uid


def test_files_that_the_setup_writes_are_those_that_mosquitto_reads(found: Services) -> None:
    command = found["mosquitto-setup"]["command"]
    out = command[command.index("--out") + 1]
    assert found["mosquitto"]["command"] == ["mosquitto", "-c", f"{out}/mosquitto.conf"]
    mounted = {mount.target for mount in mounts_of(found["mosquitto-setup"])}
    assert {out, command[command.index("--state") + 1]} <= mounted


def test_with_tls_a_port_and_the_certificates_are_added(env: dict[str, str]) -> None:
    with_tls = services(env, FILE, TLS_FILE)
    assert with_tls["mosquitto"]["ports"] == ["127.0.0.1:1883:1883", "0.0.0.0:8883:8883"]
    folder = with_tls["mosquitto-setup"]["command"][-1]
    for name in ("mosquitto", "mosquitto-setup"):
        assert any((mount.target, mount.read_only) == (folder, True) for mount in mounts_of(with_tls[name]))
    plain = services(env)["mosquitto-setup"]["command"]
    assert with_tls["mosquitto-setup"]["command"][: len(plain)] == plain


def test_compose_itself_takes_the_file(env: dict[str, str]) -> None:
    docker = [shutil.which("docker") or "", "compose"]
    there = docker[0] and subprocess.run([*docker, "version"], capture_output=True, check=False).returncode == 0
    skip_without("" if there else "`docker compose` is not here: whether Compose takes the file is not tried")
    for files in ([FILE], [FILE, TLS_FILE]):
        options = [part for path in files for part in ("-f", str(path))]
        done = subprocess.run(
            [*docker, *options, "config", "--quiet"], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_grafana_takes_the_sender_of_mails_and_shows_days_before_months() -> None:
    """Grafana ends at its start when the sender's domain has no dot; axes of graphs have American dates by default."""
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["grafana"][
        "environment"
    ]
    default = environment["GF_SMTP_FROM_ADDRESS"].removeprefix("${GRAFANA_SMTP_FROM:-").removesuffix("}")
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", default)
    assert environment["GF_DATE_FORMATS_INTERVAL_DAY"] == "DD/MM"
