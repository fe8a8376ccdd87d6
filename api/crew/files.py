"""The files of the crew's app. They hold no data, and anybody may load them: an app opens before somebody signs in."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.http.templating import template_environment
from city.i18n.catalogue import CREW_TEXTS, LANGS, Lang

STATIC: Final = Path(__file__).parent / "static"
HOME: Final = "/crew/"
_WORKER: Final = "sw.js"
_MEDIA: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    # The service worker decides what is kept; a browser without one asks each time.
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


def _texts() -> dict[Lang, dict[str, str | list[str]]]:
    return {lang: {key: _text(key, lang) for key in CREW_TEXTS} for lang in LANGS}


def _text(key: str, lang: Lang) -> str | list[str]:
    return list(CREW_TEXTS.forms(key, lang)) if CREW_TEXTS.has_forms(key) else CREW_TEXTS.text(key, lang)


def _manifest() -> dict[str, Any]:
    icon = {"src": "/crew/icon.svg", "type": "image/svg+xml", "sizes": "any"}
    return {
        "id": HOME,
        "name": f"Jaga Kota: {CREW_TEXTS.text('app', next(iter(LANGS)))}",
        "short_name": "Jaga Kota",
        "lang": next(iter(LANGS)),
        "start_url": HOME,
        "scope": HOME,
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#eef3ef",
        "theme_color": "#14532d",
        "icons": [{**icon, "purpose": purpose} for purpose in ("any", "maskable")],
    }


@cache
def app_files() -> dict[str, bytes]:
    """All files by name; the empty name is the page."""
    environment = template_environment(Path(__file__).parent / "templates")
    environment.globals["texts"] = CREW_TEXTS
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()}
    files[""] = environment.get_template("app.html").render().encode()
    files["texts.json"] = msgspec.json.encode(_texts())
    files["app.webmanifest"] = msgspec.json.encode(_manifest())
    return {**files, _WORKER: _worker(files)}


def _worker(files: dict[str, bytes]) -> bytes:
    """The service worker, which changes with any file: a browser then keeps all of them anew."""
    version = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()[:12]
    kept = [HOME + name for name in sorted(files) if name != _WORKER]
    constants = f"const VERSION = {_js(version)};\nconst FILES = {_js(kept)};\n"
    return constants.encode() + files[_WORKER]


def _js(value: object) -> str:
    return msgspec.json.encode(value).decode()


@router.get("/crew/{name}")
def show_file(name: str) -> Response:
    """A file of the app."""
    files = app_files()
    if name not in files:
        raise HTTPException(404, f"the app has no file {name!r}")
    media = _MEDIA[Path(name).suffix or ".html"]
    return Response(files[name], media_type=media, headers=_HEADERS)


@router.get("/crew/")
def show_app() -> Response:
    """The app's page."""
    return show_file("")
