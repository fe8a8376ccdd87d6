"""The routes of the API: a returned Struct is encoded as JSON, and every status that a route answers is described."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ClassVar, get_type_hints

import msgspec
from fastapi import Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth.access import SAFE_METHODS, RightDependency
from api.http.description import JSON_MEDIA, Responses, model_answer, models_in, ngsi_problems, problems

Endpoint = Callable[..., Any]


class ApiRoute(APIRoute):
    """A route of the API, for `APIRouter(route_class=ApiRoute)`.

    The model of its answer is its return annotation. A route that returns a `Response` declares it in `responses`.
    """

    problems: ClassVar[Callable[..., Responses]] = staticmethod(problems)
    invalid: ClassVar[int] = 422
    """The status of an invalid parameter."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:  # noqa: ANN401 - those of FastAPI
        models = models_in(get_type_hints(endpoint).get("return"))
        declared: Responses = {}
        if models:
            (model,) = models
            declared = model_answer(model)
            endpoint = _encoder_of(endpoint)
            options |= {"response_model": None, "response_class": Response}
        super().__init__(path, endpoint, **options)
        self.responses = {**self._standard_problems(), **declared, **self.responses}

    def _standard_problems(self) -> Responses:
        statuses = {400, 500}
        if any(isinstance(dependency, RightDependency) for dependency in self.dependencies):
            statuses |= {401, 403}
        if not set(self.methods or ()) <= SAFE_METHODS:
            statuses |= {413}
        if self.body_field or _has_parameters(self.dependant):
            statuses |= {self.invalid}
        return self.problems(*sorted(statuses))


class NgsiRoute(ApiRoute):
    """A route of the NGSI-LD API, whose problems have that standard's form."""

    problems = staticmethod(ngsi_problems)
    invalid = 400


def _has_parameters(dependant: Dependant) -> bool:
    own = dependant.path_params or dependant.query_params or dependant.header_params or dependant.cookie_params
    return bool(own) or any(map(_has_parameters, dependant.dependencies))


def _encoder_of(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its answer encoded as JSON; it runs where FastAPI runs the endpoint."""
    if iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def encode_async(*args: Any, **named: Any) -> Response:  # noqa: ANN401 - those of the endpoint
            return _encode(await endpoint(*args, **named))

        return encode_async

    @wraps(endpoint)
    def encode(*args: Any, **named: Any) -> Response:  # noqa: ANN401 - as above
        return _encode(endpoint(*args, **named))

    return encode


def _encode(answered: object) -> Response:
    return (
        answered if isinstance(answered, Response) else Response(msgspec.json.encode(answered), media_type=JSON_MEDIA)
    )
