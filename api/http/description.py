"""What a route declares of its answers, for the OpenAPI description: models, media types, and problems.

Models of answers are msgspec Structs: they are encoded without a copy, and their JSON Schema comes from msgspec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Final, get_args, get_origin

import msgspec

from api.http.problems import NGSI_PROBLEM_MEDIA, PROBLEM_MEDIA, ProblemResponse

JSON_MEDIA: Final = "application/json"
CSV_MEDIA: Final = "text/csv"
REF_TEMPLATE: Final = "#/components/schemas/{name}"
Responses = dict[int | str, dict[str, Any]]
"""The parameter `responses` of FastAPI's routes."""

ATTACHMENT_HEADERS: Final = {"Content-Disposition": "Name of the file."}
_STATUSES: Final = {
    400: "The path or a header of the request is malformed.",
    401: "The request has no valid token, session or account.",
    403: "The right is missing, or the request comes from a page of another site.",
    404: "What the path names does not exist.",
    406: "No representation fits the header `Accept`.",
    409: "The request does not fit the present state.",
    410: "The files were deleted, or are missing.",
    413: "The body is too large.",
    422: "A parameter or the body is invalid.",
    429: "The client, or all together, have too many connections, or the account has sent too much.",
    500: "An error of the platform. It is logged.",
    503: "The store, the journal or the disk is not available.",
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "description": "Unit: s."}}
}
_WITH_RETRY_AFTER: Final = frozenset({429, 503})


class ModelSchema(dict[str, Any]):
    """The JSON Schema of a model: a reference to a component, or an array of such. `model` is the type itself."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a Struct, or a list of one
        item = _item_of(model)
        reference = {"$ref": REF_TEMPLATE.format(name=item.__name__)}
        super().__init__(reference if item is model else {"type": "array", "items": reference})
        self.model = model


def model_answer(
    model: Any,  # noqa: ANN401 - as above
    *media: str,
    status: int = 200,
    description: str = "",
    headers: Mapping[str, str] | None = None,
) -> Responses:
    """An answer with a model as its body, in one of several media types; JSON if none is named.

    Without a description, it is the first line of the model's docstring.
    """
    content = {name: {"schema": ModelSchema(model)} for name in media or (JSON_MEDIA,)}
    return {status: _answer(description or _first_line(model), content, headers)}


def file_answer(description: str, *media: str, headers: Mapping[str, str] | None = None) -> Responses:
    """An answer that is a file or a text, in one of several media types."""
    content = {
        name: {"schema": {"type": "string", "contentMediaType": name, "description": description}} for name in media
    }
    return {200: _answer(description, content, headers)}


def empty_answer(description: str, headers: Mapping[str, str]) -> Responses:
    """An answer without a body: what is asked for is in its headers, given with their descriptions."""
    answer = _answer(description, {}, headers)
    del answer["content"]
    return {204: answer}


def stored_file_answer(description: str, *media: str) -> Responses:
    """The answers of a `FileResponse`: the file, parts of it, or a plain text that says why the range is wrong."""
    whole_file = file_answer(description, *media)[200]
    text = {"text/plain": {"schema": {"type": "string", "description": "Why the header `Range` is refused."}}}
    parts = file_answer("Several ranges, each with its own headers.", "multipart/byteranges")[200]["content"]
    return {
        200: whole_file,
        206: _answer("The ranges that the header `Range` asks for.", {**whole_file["content"], **parts}, None),
        400: _answer(_STATUSES[400], {**_problem(400, (PROBLEM_MEDIA,))["content"], **text}, None),
        416: _answer("The file is shorter than the range.", text, None),
    }


def _answer(description: str, content: dict[str, Any], headers: Mapping[str, str] | None) -> dict[str, Any]:
    """An answer; `headers` are those that it may have, with their descriptions."""
    described = {name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()}
    return {"description": description, "content": content, **({"headers": described} if described else {})}


def problems(*statuses: int, media: Iterable[str] = (PROBLEM_MEDIA,)) -> Responses:
    """Answers that are problem documents."""
    return {status: _problem(status, media) for status in statuses}


def ngsi_problems(*statuses: int) -> Responses:
    """Problems of the NGSI-LD API. What is refused before a route is reached has the form of the other APIs."""
    refused_before = {400, 403}
    return {
        status: _problem(
            status, (NGSI_PROBLEM_MEDIA, PROBLEM_MEDIA) if status in refused_before else (NGSI_PROBLEM_MEDIA,)
        )
        for status in statuses
    }


def models_in(annotation: object) -> list[Any]:
    """The models of a return annotation: Structs and lists of them; nothing for a `Response`."""
    if isinstance(annotation, UnionType):
        return [model for member in get_args(annotation) for model in models_in(member)]
    item = _item_of(annotation)
    return [annotation] if isinstance(item, type) and issubclass(item, msgspec.Struct) else []


def _problem(status: int, media: Iterable[str]) -> dict[str, Any]:
    content = {name: {"schema": ModelSchema(ProblemResponse)} for name in media}
    headers = {"headers": _RETRY_AFTER} if status in _WITH_RETRY_AFTER else {}
    return {"description": _STATUSES[status], "content": content, **headers}


def _first_line(model: Any) -> str:  # noqa: ANN401 - as above
    return str(_item_of(model).__doc__).strip().splitlines()[0]


def _item_of(model: Any) -> Any:  # noqa: ANN401 - as above
    return get_args(model)[0] if get_origin(model) is list else model
