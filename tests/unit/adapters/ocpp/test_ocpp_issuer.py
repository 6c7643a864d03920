"""The operator's own authority: what it signs, and what it refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from ocpp_certificates import Authority, private_pem, signing_request
from ocpp_doubles import MemoryRegistry, StillClock, station

from bothways.adapters.ocpp.issuer import OwnAuthority
from bothways.domain.errors import InputError

NOW = datetime.now(UTC).replace(microsecond=0)


def authority(folder: Path, days: int = 30) -> tuple[Authority, OwnAuthority]:
    made = Authority(folder)
    (folder / "authority.key").write_bytes(private_pem(made.key))
    registry = MemoryRegistry(station("CP1", serial="SN-7"))
    files = Path(made.file), folder / "authority.key"
    return made, OwnAuthority.from_files(*files, registry, StillClock(NOW), days)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["CP1", "SN-7"])
async def test_a_station_gets_a_certificate_for_its_own_name(tmp_path: Path, name: str) -> None:
    made, own = authority(tmp_path, days=1000)
    chain = await own.sign("CP1", signing_request(name), "ChargingStationCertificate")
    assert chain is not None
    leaf, root = x509.load_pem_x509_certificates(chain.encode())
    leaf.verify_directly_issued_by(root)
    assert root == made.certificate
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name
    assert leaf.not_valid_before_utc <= NOW < leaf.not_valid_after_utc
    assert leaf.not_valid_after_utc == made.certificate.not_valid_after_utc  # never longer than its issuer
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


@pytest.mark.asyncio
async def test_what_is_refused(tmp_path: Path) -> None:
    _, own = authority(tmp_path)
    use = "ChargingStationCertificate"
    weak = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP1")])
    )
    small = weak.sign(ec.generate_private_key(ec.SECP192R1()), hashes.SHA256())
    short = weak.sign(rsa.generate_private_key(65537, 1024), hashes.SHA256())
    assert await own.sign("CP1", signing_request("CP2"), use) is None
    assert await own.sign("CP9", signing_request("CP9"), use) is None
    assert await own.sign("CP1", signing_request("CP1"), "V2GCertificate") is None
    assert await own.sign("CP1", "no request", use) is None
    assert await own.sign("CP1", short.public_bytes(Encoding.PEM).decode(), use) is None
    assert await own.sign("CP1", small.public_bytes(Encoding.PEM).decode(), use) is None


@pytest.mark.asyncio
async def test_a_certificate_ends_after_its_days(tmp_path: Path) -> None:
    _, own = authority(tmp_path, days=0)
    chain = await own.sign("CP1", signing_request("CP1"), "ChargingStationCertificate")
    assert chain is not None
    assert x509.load_pem_x509_certificates(chain.encode())[0].not_valid_after_utc - NOW < timedelta(minutes=1)


def test_certificate_and_key_must_be_a_pair(tmp_path: Path) -> None:
    made = Authority(tmp_path)
    other = private_pem(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InputError, match="another one"):
        OwnAuthority(Path(made.file).read_bytes(), other, MemoryRegistry(), StillClock(NOW))
