"""The app: REST, stream and console, guarded by roles."""

from __future__ import annotations

from fastapi import FastAPI

from api.auth import sign_in
from api.console.answers import SectionCache
from api.console.pages import routes as pages
from api.context import ApiContext
from api.crew import files as crew_files
from api.crew import protocol as crew_protocol
from api.exports import ngsi_routes, table_routes
from api.http import middleware, openapi, problems
from api.routes import alarms as alarm_routes
from api.routes import cases as case_routes
from api.routes import changes, map_tours, profile_drafts, stream
from api.routes import crew_photos as crew_photo_routes
from api.routes import evidence as evidence_routes
from api.routes import forecasts as forecast_routes
from api.routes import grafana as grafana_routes
from api.routes import map as map_routes
from api.routes import messages as message_routes
from api.routes import new_devices as new_device_routes
from api.routes import notifications as notification_routes
from api.routes import orders as order_routes
from api.routes import passkeys as passkey_routes
from api.routes import people as people_routes
from api.routes import plans as plan_routes
from api.routes import readings as routes
from api.routes import reports as report_routes
from api.routes import shifts as shift_routes
from api.routes import system as system_routes
from api.routes import trips as trip_routes
from api.routes import zones as zone_routes


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
    app.state.stream_limiter = stream.stream_limiter()
    app.state.listener_limiter = changes.listener_limiter()
    app.state.photo_limiter = crew_protocol.photo_limiter()
    app.state.change_feed = changes.change_feed(context)
    app.state.sections = SectionCache()
    problems.install(app)
    for part in (
        routes,
        alarm_routes,
        notification_routes,
        case_routes,
        evidence_routes,
        crew_photo_routes,
        report_routes,
        zone_routes,
        map_tours,
        map_routes,
        message_routes,
        ngsi_routes,
        table_routes,
        system_routes,
        trip_routes,
        forecast_routes,
        plan_routes,
        shift_routes,
        order_routes,
        new_device_routes,
        profile_drafts,
        people_routes,
        grafana_routes,
        passkey_routes,
        stream,
        changes,
        openapi,
        sign_in,
        crew_protocol,
        crew_files,
    ):
        app.include_router(part.router)

    pages.mount(app)
    middleware.install(app, context)
    return app
