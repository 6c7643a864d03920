"""Security profiles over real sockets and real TLS; certificates; guessing; limits."""

import asyncio
import base64
import ssl
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from ocpp_certificates import Authority, private_pem, signing_request
from ocpp_doubles import SECRET, MemoryRegistry, StillClock, Wired, basic, calling, listening, station
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bothways.adapters.ocpp.admission import server_context
from bothways.adapters.ocpp.issuer import OwnAuthority
from bothways.domain.errors import GatewayError
from bothways.operations.events import MessageKept

ACCEPTED = {"status": "Accepted"}


async def status_of(wired: Wired, path: str = "/ocpp/CP1", headers: dict[str, str] | None = None, **more: Any) -> int:
    """The HTTP status with which a handshake is answered."""
    scheme = "wss" if "ssl" in more else "ws"
    address = f"{scheme}://127.0.0.1:{wired.port}{path}"
    try:
        async with connect(address, additional_headers=headers, subprotocols=["ocpp2.1"], **more):  # type: ignore[list-item]
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.asyncio
async def test_profile_1_asks_for_the_stations_own_password() -> None:
    async with listening(station("CP1"), station("CP2")) as wired:
        assert await status_of(wired, headers=basic("CP1")) == 101
        assert await status_of(wired) == 401
        assert await status_of(wired, headers=basic("CP1", b"wrong")) == 401
        assert await status_of(wired, headers=basic("CP2")) == 401
        assert await status_of(wired, headers={"Authorization": "Basic ???"}) == 401
        assert await status_of(wired, headers={"Authorization": "Bearer x"}) == 401


@pytest.mark.asyncio
async def test_unknown_stations_and_paths_are_refused() -> None:
    async with listening() as wired:
        assert await status_of(wired, "/ocpp/CP9", basic("CP9")) == 404
        assert await status_of(wired, "/", basic("CP1")) == 404
        assert await status_of(wired, "/ocpp/CP1/more", basic("CP1")) == 404


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "stored", [b"00FF1234567890ABCDEF0011223344556677889A", b"00ff1234567890abcdef0011223344556677889a"]
)
async def test_the_key_of_16_is_known_as_digits_and_as_the_bytes_they_stand_for(stored: bytes) -> None:
    async with listening() as wired:
        wired.registry.secrets["CP1"] = stored
        for sent in (stored, stored.upper(), stored.lower(), bytes.fromhex(stored.decode())):
            assert await status_of(wired, headers=basic("CP1", sent)) == 101
        assert await status_of(wired, headers=basic("CP1", bytes.fromhex(stored.decode())[:-1])) == 401


@pytest.mark.asyncio
async def test_guessing_is_stopped_without_locking_the_station_out_elsewhere() -> None:
    async with listening(station("CP1"), station("CP2"), failed_logins=3) as wired:
        for _ in range(3):
            assert await status_of(wired, headers=basic("CP1", b"guess")) == 401
        assert await status_of(wired, headers=basic("CP1")) == 429
        assert await status_of(wired, "/ocpp/CP2", basic("CP2")) == 101


@pytest.mark.asyncio
async def test_profile_2_needs_tls_here_or_at_a_proxy(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(*authority.issue("server"))
    record = station(security_profile=2)
    async with listening(record) as wired:
        assert await status_of(wired, headers=basic("CP1")) == 403  # never a silent downgrade
    async with listening(record, behind_tls_proxy=True) as wired:
        assert await status_of(wired, headers=basic("CP1")) == 101
    async with listening(record, ssl_context=context) as wired:
        async with calling(wired, ssl=authority.client()) as cp:
            assert (await cp.call("Heartbeat", {}))[0] == 3
        assert await status_of(wired, headers=basic("CP1", b"wrong"), ssl=authority.client()) == 401


@pytest.mark.asyncio
async def test_tls_below_12_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(*authority.issue("server"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    old = authority.client()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(station(security_profile=2), ssl_context=context) as wired:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await status_of(wired, headers=basic("CP1"), ssl=old)


@pytest.mark.asyncio
async def test_profile_3_asks_for_the_stations_own_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(*authority.issue("server"), client_authority=authority.file)
    record = station(security_profile=3, serial="SN-77")
    async with listening(record) as wired:
        assert await status_of(wired, headers=basic("CP1")) == 403
    async with listening(record, behind_tls_proxy=True) as wired:
        assert await status_of(wired, headers=basic("CP1")) == 403
    async with listening(record, ssl_context=context) as wired:
        assert await status_of(wired, ssl=authority.client("CP1")) == 101
        assert await status_of(wired, ssl=authority.client("SN-77")) == 101
        assert await status_of(wired, ssl=authority.client("CP2")) == 401
        assert await status_of(wired, headers=basic("CP1"), ssl=authority.client()) == 401
        (tmp_path / "other").mkdir()
        stranger = Authority(tmp_path / "other").client("CP1")
        stranger.load_verify_locations(authority.file)
        with pytest.raises((ssl.SSLError, ConnectionError, ConnectionClosed, EOFError)):
            await status_of(wired, ssl=stranger)


@pytest.mark.asyncio
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_certificate_is_issued_on_request(protocol: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trigger = "ExtendedTriggerMessage" if protocol == "ocpp1.6" else "TriggerMessage"
    answers = {"CertificateSigned": ACCEPTED, trigger: ACCEPTED}
    async with (
        listening(issuer=authority, behind_tls_proxy=True) as wired,
        calling(wired, protocol=protocol, answers=answers) as cp,
    ):
        assert await wired.gateway.rotate_certificate("CP1") == ACCEPTED
        assert "Certificate" in cp.asked[0][1]["requestedMessage"]
        assert (await cp.call("SignCertificate", {"csr": signing_request("CP1")}))[2] == ACCEPTED
        delivered = await cp.asked_for("CertificateSigned")
        assert delivered["certificateChain"].count("BEGIN CERTIFICATE") == 2
        assert [event.action for event in wired.intake.of(MessageKept)] == ["SignCertificate"]
        assert (await cp.call("SignCertificate", {"csr": signing_request("CP2")}))[2] == ACCEPTED
        assert (await cp.call("Heartbeat", {}))[0] == 3
        assert len(authority.asked) == 2
        assert sum(action == "CertificateSigned" for action, _ in cp.asked) == 1


@pytest.mark.asyncio
async def test_a_station_connects_with_the_certificate_that_it_was_issued(tmp_path: Path) -> None:
    made = Authority(tmp_path)
    context = server_context(*made.issue("server"), client_authority=made.file)
    record = station(security_profile=3)
    clock = StillClock(datetime.now(UTC))
    own = OwnAuthority(Path(made.file).read_bytes(), private_pem(made.key), MemoryRegistry(record), clock)
    key = ec.generate_private_key(ec.SECP256R1())
    async with listening(record, ssl_context=context, issuer=own) as wired:
        async with calling(wired, ssl=made.client("CP1"), answers={"CertificateSigned": ACCEPTED}) as cp:
            assert (await cp.call("SignCertificate", {"csr": signing_request("CP1", key)}))[2] == ACCEPTED
            chain = (await cp.asked_for("CertificateSigned"))["certificateChain"]
        (tmp_path / "new.pem").write_text(chain, encoding="ascii")
        (tmp_path / "new.key").write_bytes(private_pem(key))
        rotated = made.client()
        rotated.load_cert_chain(tmp_path / "new.pem", tmp_path / "new.key")
        async with calling(wired, ssl=rotated) as cp:
            assert (await cp.call("Heartbeat", {}))[0] == 3


@pytest.mark.asyncio
async def test_passwords_never_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with listening() as wired, calling(wired) as cp:
        await cp.call("Heartbeat", {})
        assert await status_of(wired, headers=basic("CP1", b"wrong-and-secret")) == 401
    ours = [record for record in caplog.records if record.name.startswith("bothways")]
    proofs = {basic("CP1", secret)["Authorization"][6:] for secret in (SECRET, b"wrong-and-secret")}
    assert ours
    assert not any(proof in record.getMessage() for record in ours for proof in proofs)


@pytest.mark.asyncio
async def test_without_an_issuer_certificates_are_rejected() -> None:
    async with listening(behind_tls_proxy=True) as wired, calling(wired) as cp:
        assert (await cp.call("SignCertificate", {"csr": signing_request("CP1")}))[2] == {"status": "Rejected"}


@pytest.mark.asyncio
async def test_certificates_do_not_travel_over_an_insecure_profile(tmp_path: Path) -> None:
    root = {"certificateType": "CSMSRootCertificate", "certificate": "PEM"}
    async with listening(issuer=Authority(tmp_path)) as wired, calling(wired) as cp:
        assert (await cp.call("SignCertificate", {"csr": signing_request("CP1")}))[2] == "SecurityError"
        with pytest.raises(GatewayError, match="do not travel"):
            await wired.gateway.call("CP1", "InstallCertificate", root)
        with pytest.raises(GatewayError, match="do not travel"):
            await wired.gateway.rotate_certificate("CP1")
        assert cp.asked == []


@pytest.mark.asyncio
async def test_a_stations_security_profile_is_never_lowered() -> None:
    lower, higher = ({"key": "SecurityProfile", "value": value} for value in ("1", "3"))
    answers = {"ChangeConfiguration": ACCEPTED}
    async with (
        listening(station(security_profile=2), behind_tls_proxy=True) as wired,
        calling(wired, protocol="ocpp1.6", answers=answers) as cp,
    ):
        with pytest.raises(GatewayError, match="never lowered"):
            await wired.gateway.call("CP1", "ChangeConfiguration", lower)
        assert await wired.gateway.call("CP1", "ChangeConfiguration", higher) == ACCEPTED
        assert cp.asked == [("ChangeConfiguration", higher)]


@pytest.mark.asyncio
async def test_the_newest_common_protocol_is_chosen_and_none_closes_the_connection() -> None:
    async with listening() as wired:
        address = f"ws://127.0.0.1:{wired.port}/ocpp/CP1"
        for offered, chosen in (
            (["ocpp1.6", "ocpp2.1", "ocpp2.0.1"], "ocpp2.1"),
            (["ocpp1.6", "ocpp2.0.1"], "ocpp2.0.1"),
            (["ocpp1.5", "ocpp1.6"], "ocpp1.6"),
        ):
            async with connect(address, additional_headers=basic("CP1"), subprotocols=offered) as socket:  # type: ignore[arg-type]
                assert socket.subprotocol == chosen
                assert socket.protocol.extensions == []
        async with connect(address, additional_headers=basic("CP1"), subprotocols=["ocpp1.5"]) as socket:  # type: ignore[list-item]
            await socket.wait_closed()
            assert (socket.subprotocol, socket.close_code) == (None, 1002)


@pytest.mark.asyncio
async def test_a_message_beyond_the_size_limit_closes_the_connection() -> None:
    async with listening(max_message_bytes=10_000) as wired, calling(wired) as cp:
        await cp.raw([2, "m", "DataTransfer", {"vendorId": "v", "data": "x" * 20_000}])
        await cp.socket.wait_closed()
        assert cp.socket.close_code == 1009


@pytest.mark.asyncio
async def test_a_station_that_sends_too_much_is_read_more_slowly_and_loses_nothing() -> None:
    async with listening(messages_per_s=200.0, message_burst=5) as wired, calling(wired) as cp:
        for _ in range(20):
            assert (await cp.call("Heartbeat", {}))[0] == 3
        assert wired.gateway.counters["messages_slowed"] >= 10


@pytest.mark.asyncio
async def test_a_station_that_does_not_pong_is_given_up() -> None:
    async with listening(ping_interval_s=0.02, ping_timeout_s=0.5) as wired:
        async with calling(wired) as cp:
            await asyncio.sleep(0.2)
            assert (await cp.call("Heartbeat", {}))[0] == 3  # pongs are sent by the client's library
            cp.socket.transport.pause_reading()
            async with asyncio.timeout(20):
                while wired.gateway.connected():
                    await asyncio.sleep(0.01)
            cp.socket.transport.resume_reading()
        assert wired.gateway.counters["connections_silent"] == 1


def test_a_password_may_contain_anything_but_the_user_name_a_colon() -> None:
    from bothways.adapters.ocpp.admission import credentials  # noqa: PLC0415

    assert credentials(basic("CP1", b"a:b\xff")["Authorization"]) == ("CP1", b"a:b\xff")
    assert credentials("Basic " + base64.b64encode(b"nocolon").decode()) is None
    assert credentials("Basic " + base64.b64encode(b"\xff:x").decode()) is None
    assert credentials(None) is None
    assert SECRET.isascii()
