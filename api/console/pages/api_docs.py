"""The interactive description of the API, by Swagger UI from its wheel; nothing is fetched from elsewhere."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, tag
from api.console.parts.screen import Screen

DESCRIPTION: Final = "/api/v1/openapi.json"


def build(page: PageContext, screen: Screen) -> None:
    """Add the description; without scripts, a link to it as JSON."""
    screen.style("docs-lib/swagger-ui.css")
    screen.script("docs-lib/swagger-ui-bundle.js", "api-docs.js")
    screen.show(_content(page))


def _content(page: PageContext) -> Markup:
    hint = tag("p", page.t("api_docs_hint"), " ", link(DESCRIPTION, "openapi.json"))
    return join([hint, tag("div", id="swagger", data_description=DESCRIPTION, lang="en")])
