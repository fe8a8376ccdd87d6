"""docker-compose.yml with the variables that `kota secrets init` writes."""

from __future__ import annotations

import pytest

from city.cli.env_file import run
from tests.support.compose import Services, read_env, services


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `kota secrets init` writes."""
    path = tmp_path_factory.mktemp("env") / ".env"
    assert run(["init", "--out", str(path)]) == 0
    return read_env(path)


@pytest.fixture(scope="session")
def found(env: dict[str, str]) -> Services:
    return services(env)
