"""REST of profiles made from examples: the draft for an unknown device, the preview of a mapping, and saving."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from msgspec import Meta
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, require
from api.context import ApiContext
from api.dependencies import NUMBER_MAX, UnknownDeviceId, context_of, unknown_device_of
from api.http.description import problems
from api.http.problems import FieldErrorResponse, problem
from api.http.routing import ApiRoute
from api.queries.profile_drafts import draft_of, try_profile_on
from broker.contract.topics import ID_PATTERN, Kind
from city.errors import ConfigError, PayloadError, StorageError
from city.inventory.codecs import save_codec
from city.inventory.model import Codec, Profile
from city.inventory.problems import InventoryError, NameTakenError
from city.inventory.profile_toml import to_toml
from city.inventory.saved_profiles import save_profile
from ingest.decoding.drafting.draft import DraftKey, KeyMapping, ProfileDraft, free_name, to_profile
from ingest.decoding.drafting.key_samples import KEYS_MAX, PATH_MAX, KeyType
from ingest.decoding.drafting.proposals import TIME_FIELD, FieldProposal
from ingest.decoding.drafting.unit_choices import choices_of, fields_to_map
from ingest.decoding.dry_run import DryRunResult
from ingest.store.parked.quarantine import UnknownDevice

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["new devices"], route_class=ApiRoute)

CODEC_MAX_CHARS: Final = 800_000
_CODEC: Final = "A codec of the city that decodes the frames; empty: what the network server has decoded."
_DRAFT: Final = "draft"
"""The id of a profile that is not saved yet."""
_saving = threading.Lock()


class KeyMappingRequest(BaseModel):
    """What a key of the messages is read as."""

    key: str = Field(min_length=1, max_length=PATH_MAX, examples=["battery.voltage"])
    field: str = Field(max_length=64, description="A field of the contract, or `time`.", examples=["battery_v"])
    unit: str = Field("", max_length=32, description="A unit choice of the field; empty: the contract's.")


class DraftPreviewRequest(BaseModel):
    """A mapping to try, and a container model for the fill level."""

    kind: Kind
    mapping: list[KeyMappingRequest] = Field(max_length=KEYS_MAX)
    container: str = Field("", max_length=64)
    codec: str = Field("", max_length=64, description=_CODEC)


class SaveProfileRequest(BaseModel):
    """A profile to save, made from the messages of an unknown device."""

    name: str = Field(pattern=f"^{ID_PATTERN}$", examples=["acme-tank-sensor"])
    title: str = Field("", max_length=100, description="Maker and model, for people; empty: the name.")
    kind: Kind
    unknown_device: int = Field(ge=1, le=NUMBER_MAX)
    mapping: list[KeyMappingRequest] = Field(min_length=1, max_length=KEYS_MAX)
    codec: str = Field("", max_length=64, description=_CODEC)


class SaveCodecRequest(BaseModel):
    """A payload codec to save: JavaScript of the LoRa Alliance's form, or of an older one."""

    name: str = Field(pattern=f"^{ID_PATTERN}$", examples=["acme-tank-sensor"])
    source: str = Field(min_length=1, max_length=CODEC_MAX_CHARS)


class KeyValueResponse(msgspec.Struct, frozen=True):
    """A value of a key, as text; `at` is the time of receipt."""

    at: datetime
    value: str


class FieldProposalResponse(FieldProposal, frozen=True, kw_only=True):
    """A field that a key may hold. A guess is offered only."""

    text: Annotated[str, Meta(description="The reason as a sentence.")]


class DraftKeyResponse(msgspec.Struct, frozen=True):
    """A key of the messages, with its last values, newest first, and proposals, the best first."""

    key: str
    type: KeyType
    messages: int
    low: Annotated[float | None, Meta(description="Smallest number. Unit: the device's.")]
    high: Annotated[float | None, Meta(description="Largest number. Unit: the device's.")]
    values: list[KeyValueResponse]
    proposals: list[FieldProposalResponse]


class FieldChoiceResponse(msgspec.Struct, frozen=True):
    """A field that a key can be read as, with its unit choices, the contract's first."""

    field: str
    units: tuple[str, ...]


class KeyMappingResponse(KeyMapping, frozen=True):
    """What a key of the messages is read as."""


class ProfileDraftResponse(msgspec.Struct, frozen=True):
    """The draft of a profile for an unknown device. `left_out` more keys are not listed."""

    kind: Kind
    name: Annotated[str, Meta(description="A name that is free.")]
    title: str
    keys: list[DraftKeyResponse]
    left_out: int
    fields: list[FieldChoiceResponse]
    mapping: Annotated[list[KeyMappingResponse], Meta(description="The proposals that are no guesses.")]
    problems: Annotated[tuple[str, ...], Meta(description="Why messages cannot be decoded.")]
    raw_frames_only: bool
    has_frames: Annotated[bool, Meta(description="Whether a codec can decode its messages.")]
    codec: Annotated[str, Meta(description="The codec that has decoded them, empty for none.")]
    codecs: Annotated[list[str], Meta(description="Codecs of the city.")]


class DraftPreviewResponse(msgspec.Struct, frozen=True):
    """What a mapping makes of the newest messages, newest first, and the profile's file."""

    results: list[DryRunResult]
    toml: str


class SavedCodecResponse(msgspec.Struct, frozen=True):
    """A codec was saved; every process has it within seconds."""

    id: str


class SavedProfileResponse(msgspec.Struct, frozen=True):
    """A profile was saved; every process has it within seconds."""

    id: str
    name: str
    kind: Kind


@router.get("/strangers/{unknown_device}/draft", dependencies=[require("devices.write")], responses=problems(404, 503))
def draft_for_unknown_device(
    request: Request,
    unknown_device: UnknownDeviceId,
    kind: Kind | None = None,
    codec: Annotated[str, Query(max_length=64, description=_CODEC)] = "",
) -> ProfileDraftResponse:
    """The keys of an unknown device's messages, and the fields that they may hold; of the likely kind by default."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    try:
        draft = draft_of(context, device, kind, codec)
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    choices = [FieldChoiceResponse(field, choices_of(draft.kind, field)) for field in fields_to_map(draft.kind)]
    return ProfileDraftResponse(
        kind=draft.kind,
        name=free_name((device.model, device.label, device.address), context.city.profiles),
        title=device.model,
        keys=[_key_response(key) for key in draft.keys],
        left_out=draft.left_out,
        fields=[*choices, FieldChoiceResponse(TIME_FIELD, ("",))],
        mapping=[KeyMappingResponse(entry.key, entry.field, entry.unit) for entry in draft.mapping],
        problems=draft.examples.problems,
        raw_frames_only=draft.examples.has_frames and not draft.keys,
        has_frames=draft.examples.has_frames,
        codec=draft.examples.codec,
        codecs=sorted(context.city.codecs),
    )


def _key_response(key: DraftKey) -> DraftKeyResponse:
    sample = key.sample
    return DraftKeyResponse(
        sample.path,
        sample.type,
        sample.messages,
        sample.low,
        sample.high,
        [KeyValueResponse(value.at, _text(value.value)) for value in sample.values],
        [
            FieldProposalResponse(**msgspec.structs.asdict(proposal), text=proposal.reason_text)
            for proposal in key.proposals
        ],
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@router.post("/strangers/{unknown_device}/draft", dependencies=[require("devices.write")], responses=problems(404, 503))
def preview_draft(
    request: Request, unknown_device: UnknownDeviceId, body: DraftPreviewRequest
) -> DraftPreviewResponse | Response:
    """The records that a mapping would store of the device's newest messages. Errors are listed with 422."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    try:
        draft = draft_of(context, device, body.kind, body.codec)
        profile = _profile(draft, _DRAFT, "", body.mapping, device)
        results = try_profile_on(context, context.quarantine.messages_of(device.id), profile, body.container)
    except InventoryError as exc:
        return _refuse(exc)
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    return DraftPreviewResponse(results, to_toml(profile))


@router.post("/profiles", dependencies=[require("devices.write")], responses=problems(404, 409, 503))
def save_drafted_profile(request: Request, body: SaveProfileRequest) -> SavedProfileResponse | Response:
    """Save a profile made from an unknown device's messages. A taken name is 409; errors are listed with 422."""
    context = context_of(request)
    device = unknown_device_of(context, body.unknown_device)
    try:
        draft = draft_of(context, device, body.kind, body.codec)
        profile = _profile(draft, body.name, body.title, body.mapping, device)
        _save(context, profile)
    except NameTakenError as exc:
        raise HTTPException(409, f"there is a profile {body.name!r}; choose another name") from exc
    except InventoryError as exc:
        return _refuse(exc)
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    except StorageError as exc:
        log.error("profile.refused", profile=body.name, reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    audit_action(request, "profile.save", profile.id, adapter=device.adapter)
    return SavedProfileResponse(profile.id, profile.name, profile.kind)


@router.post("/codecs", dependencies=[require("devices.write")], responses=problems(409, 503))
def save_payload_codec(request: Request, body: SaveCodecRequest) -> SavedCodecResponse | Response:
    """Save a payload codec, which is then loaded once. A taken name is 409; one that cannot be loaded is 422."""
    context, codec = context_of(request), Codec(body.name, body.source)
    try:
        if codec != context.city.codecs.get(codec.id):  # the same one again changes nothing
            context.codecs.check(codec)
            with _saving:
                save_codec(context.data, codec, context.city.codecs)
            context.refresh()
    except NameTakenError as exc:
        raise HTTPException(409, f"there is another codec {body.name!r}; rename the file") from exc
    except PayloadError as exc:
        return problem(422, str(exc), errors=[FieldErrorResponse("source", str(exc))])
    except InventoryError as exc:
        return _refuse(exc)
    except StorageError as exc:
        log.error("codec.refused", codec=body.name, reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    audit_action(request, "codec.save", codec.id)
    return SavedCodecResponse(codec.id)


def _save(context: ApiContext, profile: Profile) -> None:
    with _saving:
        save_profile(context.data, profile, context.city.profiles)
    context.refresh()


def _profile(
    draft: ProfileDraft, name: str, title: str, mapping: list[KeyMappingRequest], device: UnknownDevice
) -> Profile:
    entries = [KeyMapping(entry.key, entry.field, entry.unit) for entry in mapping]
    return to_profile(draft, name, entries, title=title.strip(), model=device.model)


def _refuse(exc: InventoryError) -> Response:
    errors = [FieldErrorResponse(mistake.field, mistake.message) for mistake in exc.problems]
    return problem(422, "; ".join(f"{error.field}: {error.detail}" for error in errors), errors=errors)
