"""The ceremonies of WebAuthn by py_webauthn: options for a browser, and checks of what it returns.

Passkeys are discoverable and verify their user, so that a sign-in needs neither a name nor a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_authentication_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from city.errors import KotaError
from people.passkeys.relying_party import NAME, RelyingParty
from people.passkeys.rows import CHALLENGE_LASTS

CREDENTIAL_BYTES_MAX: Final = 1_023
"""Source: Web Authentication Level 3, section 4, "credential ID"."""
PUBLIC_KEY_BYTES_MAX: Final = 1_024
"""A key of RSA with 4096 bits has 540."""
_TIMEOUT_MS: Final = int(CHALLENGE_LASTS.total_seconds() * 1_000)
_UNLOCK: Final = UserVerificationRequirement.REQUIRED

_Parsed = TypeVar("_Parsed")


class CredentialError(KotaError):
    """A browser's answer is malformed, or a check of it fails."""


@dataclass(frozen=True)
class NewCredential:
    """A key that an authenticator has made: id, public key in COSE, and its count of signatures."""

    id: bytes
    public_key: bytes
    sign_count: int


def creation_options(
    party: RelyingParty, handle: bytes, name: str, shown_name: str, known: Iterable[bytes], challenge: bytes
) -> dict[str, Any]:
    """What a browser needs to make a key (`PublicKeyCredentialCreationOptionsJSON`).

    Args:
        party: The city.
        handle: What tells the account in answers.
        name: The account's name.
        shown_name: The person's name.
        known: Credential ids of the account; their authenticators make no second key.
        challenge: Random bytes.
    """
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=NAME,
        user_id=handle,
        user_name=name,
        user_display_name=shown_name,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_UNLOCK
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
    )
    return options_to_json_dict(options)


def request_options(party: RelyingParty, challenge: bytes) -> dict[str, Any]:
    """What a browser needs to sign in by any key of this city (`PublicKeyCredentialRequestOptionsJSON`)."""
    options = generate_authentication_options(
        rp_id=party.id, challenge=challenge, timeout=_TIMEOUT_MS, user_verification=_UNLOCK
    )
    return options_to_json_dict(options)


def check_registration(party: RelyingParty, challenge: bytes, answer: Mapping[str, Any]) -> NewCredential:
    """The key in a browser's answer (`RegistrationResponseJSON`).

    Raises:
        CredentialError: It is malformed, of another origin, or does not answer the challenge.
    """
    verified = _translate(
        lambda: verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    )
    key = verified.credential_public_key
    if len(verified.credential_id) > CREDENTIAL_BYTES_MAX or len(key) > PUBLIC_KEY_BYTES_MAX:
        raise CredentialError("the credential id or the key is too long")
    # An attestation of the format `none` has no signature, so that nothing has used the key yet.
    _translate(lambda: decoded_public_key_to_cryptography(decode_credential_public_key(key)))
    return NewCredential(verified.credential_id, key, verified.sign_count)


def parse_answer(text: str) -> AuthenticationCredential:
    """A browser's answer to a sign-in (`AuthenticationResponseJSON`).

    Raises:
        CredentialError: It is malformed.
    """
    return _translate(lambda: parse_authentication_credential_json(text))


def check_sign_in(party: RelyingParty, challenge: bytes, public_key: bytes, answer: AuthenticationCredential) -> int:
    """The count of signatures in an answer that a key has signed.

    Raises:
        CredentialError: It is of another origin, does not answer the challenge, or the signature is wrong.
    """
    verified = _translate(
        lambda: verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            # The library judges the count before the signature: anybody could feign a copied authenticator.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )
    return verified.new_sign_count


def _translate(parse: Callable[[], _Parsed]) -> _Parsed:
    try:
        return parse()
    except Exception as exc:
        # The library passes on whatever the parsers of JSON, CBOR and keys raise.
        raise CredentialError(f"{type(exc).__name__} of the answer's check") from exc
