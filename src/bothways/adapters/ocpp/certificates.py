"""Certificates of stations: a signing request is stored, signed by the issuer, and handed out by CertificateSigned."""

from __future__ import annotations

import logging
from typing import Any, cast

from bothways.adapters.ocpp.link import ADMINISTRATION
from bothways.adapters.ocpp.options import CertificateUse
from bothways.adapters.ocpp.reading import Heard, text
from bothways.adapters.ocpp.rpc import CallError
from bothways.adapters.ocpp.talk import Payload, Talk, keep, must_be_secure
from bothways.domain.errors import BothwaysError

_log = logging.getLogger("bothways.ocpp")

CERTIFICATE_ACTIONS = frozenset({"CertificateSigned", "DeleteCertificate", "InstallCertificate"})


async def sign_certificate(talk: Talk, payload: Payload, heard: Heard) -> Payload:
    """SignCertificate: the request is stored; the certificate follows in a call of its own."""
    must_be_secure(talk, "SignCertificate")
    await keep(talk, "SignCertificate", payload, heard)
    issuer = talk.options.issuer
    if issuer is None:
        return {"status": "Rejected"}
    use = cast("CertificateUse", text(payload, "certificateType") or "ChargingStationCertificate")
    csr = text(payload, "csr")

    async def deliver() -> None:
        chain = await issuer.sign(talk.station_id, csr, use)
        if chain is None:
            _log.warning("certificate refused", extra={"station": talk.station_id, "use": use})
            return
        answer: dict[str, Any] = {"certificateChain": chain}
        if talk.version != "1.6":
            answer["certificateType"] = use
        if "requestId" in payload:
            answer["requestId"] = payload["requestId"]
        try:
            taken = await talk.link.call("CertificateSigned", answer, priority=ADMINISTRATION)
        except (BothwaysError, CallError) as error:
            _log.warning("certificate not delivered", extra={"station": talk.station_id, "why": str(error)})
            return
        if taken.get("status") != "Accepted":
            _log.warning("certificate not taken", extra={"station": talk.station_id})

    talk.afterwards.append(deliver)
    return {"status": "Accepted"}
