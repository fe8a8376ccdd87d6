"""docs/production.md names what there is."""

from __future__ import annotations

import re

from city.cli.env_file import SECRETS
from city.cli.main import VERBS
from tests.support.brokers import ROOT
from tests.support.compose import VARIABLE, Services, texts

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def test_the_page_names_every_secret_port_and_image(found: Services) -> None:
    ports = {hit["name"] for hit in VARIABLE.finditer(texts()) if hit["name"] and hit["name"].endswith("_LISTEN")}
    named = {*SECRETS, *ports, *(service["image"] for service in found.values())}
    assert not [name for name in named if f"`{name}`" not in PAGE]


def test_verbs_and_services_on_the_page_exist(found: Services) -> None:
    assert set(re.findall(r"\bkota ([a-z]+)\b", PAGE)) <= VERBS.keys()
    one = re.findall(r"docker compose (?:exec|run --rm)(?: -T| --env [A-Z_]+)* ([a-z][a-z-]*)", PAGE)
    several = re.findall(r"docker compose (?:restart|logs|kill --signal HUP) ([a-z -]+?)(?:`| {2,}#|\n)", PAGE)
    assert {"operator", "api", "database"} <= set(one)
    assert {*one, *(name for names in several for name in names.split())} <= found.keys()
