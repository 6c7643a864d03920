"""A certificate authority of the operator's own: signs what stations ask for, for a limited time."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bothways.adapters.ocpp.options import CertificateUse
from bothways.domain.errors import InputError, Problem
from bothways.operations.ports import Clock, StationRegistry

DAYS = 90
SKEW = timedelta(hours=1)  # a station's clock may be behind
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_RSA_BITS = 2048


class OwnAuthority:
    """Signs station certificates with a key that lies in a file.

    Only certificates for the connection to this server are signed (``ChargingStationCertificate``), only for the
    station that asks, by its id or serial number, and only for keys that are strong enough. V2G certificates come from
    the vehicle world's authorities and are refused.

    Args:
        certificate: the authority's certificate, PEM.
        key: its private key, PEM without password.
        registry: stations, for their serial numbers.
        clock: certificates are valid from its now.
        days: for so many days.
    """

    def __init__(
        self, certificate: bytes, key: bytes, registry: StationRegistry, clock: Clock, days: int = DAYS
    ) -> None:
        self._certificate = x509.load_pem_x509_certificate(certificate)
        loaded = serialization.load_pem_private_key(key, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            problem = Problem("the authority's key", type(loaded).__name__, "an EC or RSA key", "Use another key.")
            raise InputError([problem])
        if _encoded(loaded.public_key()) != _encoded(self._certificate.public_key()):
            problem = Problem(
                "the authority's key", "another one", "the key of its certificate", "Give both of one pair."
            )
            raise InputError([problem])
        self._key = loaded
        self._registry = registry
        self._clock = clock
        self._days = days

    @classmethod
    def from_files(
        cls, certificate: Path, key: Path, registry: StationRegistry, clock: Clock, days: int = DAYS
    ) -> OwnAuthority:
        """The authority whose certificate and key lie in these files."""
        return cls(certificate.read_bytes(), key.read_bytes(), registry, clock, days)

    async def sign(self, station_id: str, csr_pem: str, use: CertificateUse) -> str | None:
        """See :meth:`bothways.adapters.ocpp.options.CertificateIssuer.sign`."""
        record = await self._registry.station(station_id)
        if record is None or use != "ChargingStationCertificate":
            return None
        try:
            request = x509.load_pem_x509_csr(csr_pem.encode())
            sound = request.is_signature_valid
            public = request.public_key()
        except (ValueError, UnsupportedAlgorithm):
            return None
        names = {str(item.value) for item in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
        wanted = {record.station_id} | ({record.serial} if record.serial else set())
        if not sound or len(names) != 1 or not names <= wanted or not _strong(public):
            return None
        assert isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)  # noqa: S101 - _strong has seen to it
        signed = self._build(names.pop(), public, self._clock.now())
        chain = (signed, self._certificate)
        return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in chain).decode()

    def _build(
        self, name: str, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, now: datetime
    ) -> x509.Certificate:
        ends = min(now + timedelta(days=self._days), self._certificate.not_valid_after_utc)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _strong(public: object) -> bool:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.curve.name in _CURVES
    return isinstance(public, rsa.RSAPublicKey) and public.key_size >= _RSA_BITS


def _encoded(public: object) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return b""
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
