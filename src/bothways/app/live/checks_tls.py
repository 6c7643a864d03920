"""The doctor's checks of certificates: that they can be used, and how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from bothways.app.live.config import Config
from bothways.app.live.finding import Finding
from bothways.app.live.server import tls_context
from bothways.domain.errors import BothwaysError

_SOON = timedelta(days=30)


def certificates(config: Config, now: datetime) -> list[Finding]:
    """The server's own certificate, the authority of stations, and the issuer's."""
    server = config.server
    findings = _own(config, now)
    if server.client_ca is not None and findings[0].verdict != "broken":
        findings.append(_valid("client_ca", server.client_ca, now, "stations with certificates of it are refused then"))
    if server.issuer_certificate is not None:
        findings.append(_valid("issuer", server.issuer_certificate, now, "stations get no new certificates then"))
    return findings


def _own(config: Config, now: datetime) -> list[Finding]:
    server = config.server
    if server.tls_certificate is None:
        if server.behind_proxy:
            return [Finding("TLS", "look", "a proxy ends TLS", "See that only the proxy reaches this port.")]
        return [Finding("TLS", "look", "none: only this machine can connect", "Give tls_certificate and tls_key.")]
    try:
        tls_context(config)
    except BothwaysError as error:
        return [Finding("TLS", "broken", str(error), "Correct the files.")]
    return [_valid("TLS", server.tls_certificate, now, "nobody connects any more then")]


def _valid(check: str, path: str, now: datetime, then: str) -> Finding:
    """How long the first certificate of a file is valid."""
    try:
        found = x509.load_pem_x509_certificate(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        return Finding(check, "broken", f"{path}: {error}", "Give a certificate as PEM that this user may read.")
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    if ends <= now:
        return Finding(check, "broken", f"the certificate expired on {ends:%Y-%m-%d}", "Renew it.")
    if begins > now:
        remedy = "Check the clock of this machine, or wait."
        return Finding(check, "broken", f"the certificate is valid from {begins:%Y-%m-%d} on only", remedy)
    if ends - now < _SOON:
        return Finding(check, "look", f"valid until {ends:%Y-%m-%d}; {then}", "Renew it.")
    return Finding(check, "good", f"valid until {ends:%Y-%m-%d}")
