"""Photos of crews, for who sees evidence."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import context_of
from api.http.description import problems, stored_file_answer
from api.http.routing import ApiRoute
from api.queries.crew_photos import FILE
from api.queries.evidence_service import Actor
from people.areas import Place
from vision.evidence.store import EvidenceError

router = APIRouter(prefix="/api/v1/crew-photos", tags=["dispatch"], responses=problems(404, 503), route_class=ApiRoute)

MEDIA: Final = "image/jpeg"
_STATUS: Final = {"unknown": 404, "deleted": 410, "missing": 410, "changed": 409}


@router.get(
    "/{photo}",
    dependencies=[require("telemetry.read")],
    response_class=FileResponse,
    responses={**stored_file_answer("A photo, with people pixelated.", MEDIA), **problems(409, 410)},
)
def show_crew_photo(request: Request, photo: Annotated[str, Path(pattern="^photo-[0-9a-f]{24}$")]) -> FileResponse:
    """A photo of a crew, with people pixelated. The custody log records the access."""
    context = context_of(request)
    about = context.crew_photos.about(photo)
    if about:
        known = {name: str(about.get(name, "")) for name in ("kelurahan", "site", "stream")}
        require_area(request, Place(**known))
    origin = origin_of_request(request)
    try:
        path = context.evidence.show(photo, FILE, Actor(origin.name, origin.address))
    except EvidenceError as exc:
        raise HTTPException(_STATUS[exc.why], str(exc)) from exc
    return FileResponse(path, media_type=MEDIA)
