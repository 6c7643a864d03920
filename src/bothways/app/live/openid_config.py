"""Configuration of OpenID providers that people sign in through."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def safe_address(address: str) -> str:
    """An address by TLS, or of this machine.

    Raises:
        ValueError: any other.
    """
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _THIS_MACHINE):
        msg = "an address that begins with https:// (http:// on this machine alone)"
        raise ValueError(msg)
    if not parts.hostname or parts.query or parts.fragment:
        msg = "an address of a server, without a question mark or a number sign"
        raise ValueError(msg)
    return address


class OpenIdPart(BaseModel):
    """One provider, and how this server is registered there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    issuer: str
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: str = Field(default="", repr=False)
    label: str = ""

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, address: str) -> str:
        return safe_address(address)
