"""Holds answers of the API against its OpenAPI description: status, media type and schema, closed models strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from httpx import Response
from jsonschema import Draft202012Validator

JSON_MEDIA: Final = re.compile(r"application/([a-z-]+\+)?json")
WHOLE_PATHS: Final = ("topic", "entity")
"""Path parameters that may contain slashes."""
PREFIXES: Final = ("/api/", "/.well-known/", "/ngsi-ld/", "/healthz", "/readyz", "/metrics")
UNROUTED: Final = (307, 400, 401, 403, 404, 405, 413)
"""Statuses of a path or method that there is not; 307 leads to the path without a slash at its end."""
NO_CONTENT: Final = 204
EVENTS: Final = "text/event-stream"


class Contract:
    """The description of an app, with every model closed that does not say otherwise.

    Args:
        document: The description, as `/api/v1/openapi.json` gives it.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.schemas = {
            name: {"additionalProperties": False, **schema} if "properties" in schema else schema
            for name, schema in document["components"]["schemas"].items()
        }
        # Literal paths first: `/map/{kind}.geojson` also matches `/map/places.geojson`.
        paths = sorted(document["paths"], key=lambda path: (path.count("{"), -len(path)))
        self._patterns = [(_pattern(path), path) for path in paths]
        self.checked: set[tuple[str, str, str]] = set()

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and description of every operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def operation_of(self, method: str, path: str) -> tuple[str, dict[str, Any] | None]:
        """The described path of a request, and its operation; None without one."""
        template = next((template for pattern, template in self._patterns if pattern.fullmatch(path)), "")
        return template, self.document["paths"].get(template, {}).get(method.lower())

    def faults(self, schema: dict[str, Any], body: object) -> list[str]:
        """What is wrong with a body."""
        validator = Draft202012Validator({**schema, "components": {"schemas": self.schemas}})
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]

    def check(self, answer: Response) -> None:
        """Raise for an answer that is not as described. A hook of an HTTP client.

        Raises:
            AssertionError: Its status, its media type or its body is not described.
        """
        method, path = answer.request.method, answer.request.url.path
        media = answer.headers.get("content-type", "").partition(";")[0]
        if not path.startswith(PREFIXES) or method in ("HEAD", "OPTIONS") or media == EVENTS:
            return
        template, operation = self.operation_of(method, path)
        about = f"{method} {path} {answer.status_code} {media}"
        if operation is None:
            assert answer.status_code in UNROUTED, f"{about}: not described"
            return
        described = operation["responses"].get(str(answer.status_code))
        assert described, f"{about}: the status is not described"
        if answer.status_code == NO_CONTENT:
            assert not answer.read(), f"{about}: there is a body"
            self.checked.add((method, template, str(answer.status_code)))
            return
        assert media in described["content"], f"{about}: the media type is not described"
        self.checked.add((method, template, str(answer.status_code)))
        if JSON_MEDIA.fullmatch(media) or media == "application/geo+json":
            answer.read()
            faults = self.faults(described["content"][media]["schema"], answer.json())
            assert not faults, f"{about}: {faults[:5]}"


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(
            (".+" if part in WHOLE_PATHS else "[^/]+") if n % 2 else re.escape(part) for n, part in enumerate(parts)
        )
    )
