"""The app: REST, stream and console, guarded by roles."""

from __future__ import annotations

from fastapi import FastAPI, Request

from api import (
    case_routes,
    evidence_routes,
    map_routes,
    message_routes,
    middleware,
    new_device_routes,
    problems,
    report_routes,
    routes,
    sign_in,
    stream,
    system_routes,
    trip_routes,
    zone_routes,
)
from api.access import require
from api.console import pages
from api.context import ApiContext
from api.exports import ngsi_routes, table_routes


def create_app(context: ApiContext) -> FastAPI:
    """The app of a city."""
    app = FastAPI(
        title="Jaga Kota",
        version="1",
        summary=f"{context.city.name}: waste service and public Wi-Fi",
        description="Times are UTC in ISO 8601. Errors are problem documents (RFC 9457).",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.context = context
    problems.install(app)
    for part in (
        routes,
        case_routes,
        evidence_routes,
        report_routes,
        zone_routes,
        map_routes,
        message_routes,
        ngsi_routes,
        table_routes,
        system_routes,
        trip_routes,
        new_device_routes,
        stream,
        sign_in,
    ):
        app.include_router(part.router)

    @app.get("/api/v1/openapi.json", dependencies=[require("viewer")], include_in_schema=False)
    def openapi(request: Request) -> dict[str, object]:
        """The description of this API."""
        described: FastAPI = request.app
        return described.openapi()

    pages.mount(app)
    middleware.install(app, context)
    return app
