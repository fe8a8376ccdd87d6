"""Answers in GeoJSON, compressed where the browser can read it."""

from __future__ import annotations

import gzip

import msgspec
from fastapi import Request, Response

from api.queries.geojson import MEDIA


def geojson_answer(request: Request, body: object) -> Response:
    """The answer to a request. Consoles ask every few seconds, often from a telephone: compressed, it is a tenth."""
    content = msgspec.json.encode(body)
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=3, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=MEDIA, headers=headers)
