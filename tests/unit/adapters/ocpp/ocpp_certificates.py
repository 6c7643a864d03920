"""A certificate authority for tests: keys that live as long as the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey


class Authority:
    """Signs certificates into a folder; as an issuer it signs requests of stations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Test authority")
        self.certificate = self._build(self.name, self.key.public_key(), authority=True)
        self.file = self._write("authority.pem", self.certificate.public_bytes(serialization.Encoding.PEM))
        self.asked: list[tuple[str, str]] = []

    def issue(self, common_name: str) -> tuple[str, str]:
        """Certificate and key files for a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(_name(common_name), key.public_key())
        return (
            self._write(f"{common_name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{common_name}.key", private_pem(key)),
        )

    async def sign(self, station_id: str, csr_pem: str, use: str) -> str | None:
        """The issuer's side: signs what asks for the station's own name."""
        self.asked.append((station_id, use))
        request = x509.load_pem_x509_csr(csr_pem.encode())
        if request.subject != _name(station_id):
            return None
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        chain = self._build(request.subject, public), self.certificate
        return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in chain).decode()

    def client(self, common_name: str | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority, with its own certificate where a name is given."""
        context = ssl.create_default_context(cafile=self.file)
        if common_name is not None:
            context.load_cert_chain(*self.issue(common_name))
        return context

    def _build(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, authority: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)


def signing_request(common_name: str, key: Key | None = None) -> str:
    """A certificate signing request of a station, as PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def private_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
