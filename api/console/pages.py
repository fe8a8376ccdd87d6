"""The console's pages."""

from __future__ import annotations

from fastapi import FastAPI

from api.context import ApiContext


def mount(app: FastAPI, context: ApiContext) -> None:
    """Add the pages to an app."""
    app.state.console = context.city.name
