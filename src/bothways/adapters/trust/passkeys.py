"""WebAuthn's messages and signatures, by the ``webauthn`` library: registration and sign-in with user verification."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bothways.operations.access.accounts import Account, SignInRefused
from bothways.operations.access.passkeys import Place
from bothways.operations.access.ways import Passkey

_UNFIT = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, binascii.Error)
_LONGEST_ID = 1024


class WebAuthnCeremonies:
    """Fulfils :class:`bothways.operations.access.passkeys.Ceremonies`."""

    def registration(self, place: Place, account: Account, challenge: bytes, known: Sequence[str]) -> Mapping[str, Any]:
        """What a browser needs to make a passkey that signs in without a name."""
        options = webauthn.generate_registration_options(
            rp_id=place.host,
            rp_name="bothways",
            user_id=account.account_id.encode(),
            user_name=account.name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in known],
        )
        return _plain(webauthn.options_to_json(options))

    def registered(self, place: Place, challenge: bytes, answer: Mapping[str, Any]) -> tuple[str, bytes, int]:
        """Checks the browser's answer: credential id, public key, count.

        Raises:
            SignInRefused: it does not fit.
        """
        try:
            made = webauthn.verify_registration_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host,
                expected_origin=place.origin, require_user_verification=True,
            )  # fmt: skip
        except _UNFIT as error:
            raise SignInRefused from error
        return bytes_to_base64url(made.credential_id), made.credential_public_key, made.sign_count

    def question(self, place: Place, challenge: bytes) -> Mapping[str, Any]:
        """What a browser needs to sign in."""
        options = webauthn.generate_authentication_options(
            rp_id=place.host, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return _plain(webauthn.options_to_json(options))

    def credential_id(self, answer: Mapping[str, Any]) -> str:
        """Which passkey an answer is of, as it is stored.

        Raises:
            SignInRefused: it names none.
        """
        named = answer.get("rawId")
        if not isinstance(named, str) or len(named) > _LONGEST_ID:
            raise SignInRefused
        try:
            return bytes_to_base64url(base64url_to_bytes(named))
        except _UNFIT as error:
            raise SignInRefused from error

    def answered(self, place: Place, challenge: bytes, passkey: Passkey, answer: Mapping[str, Any]) -> int:
        """Checks the browser's answer: the new count, which only grows where the authenticator counts.

        Raises:
            SignInRefused: it does not fit.
        """
        try:
            done = webauthn.verify_authentication_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host,
                expected_origin=place.origin, credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count, require_user_verification=True,
            )  # fmt: skip
        except _UNFIT as error:
            raise SignInRefused from error
        return done.new_sign_count


def _plain(text: str) -> Mapping[str, Any]:
    plain: dict[str, Any] = json.loads(text)
    return plain
