"""Settings of the gateway, and what a deployment may plug into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

CertificateUse = Literal["ChargingStationCertificate", "V2GCertificate", "V2G20Certificate"]

DataTransfer = Callable[[str, str, str], Awaitable[tuple[str, str]]]
"""``(station_id, message_id, data)`` to ``(status, data)`` of a vendor's DataTransfer."""


class CertificateIssuer(Protocol):
    """Signs what stations ask for."""

    async def sign(self, station_id: str, csr_pem: str, use: CertificateUse) -> str | None:
        """The signed certificate followed by its chain, as PEM; ``None`` to refuse."""
        ...


class EnergyTransferConsent(Protocol):
    """Which kinds of energy transfer a driver agreed to (2.1)."""

    async def allowed(self, station_id: str, id_token: str) -> tuple[str, ...]:
        """OCPP's names, such as ``AC_BPT``; empty to say nothing."""
        ...


class DischargeAdapter(Protocol):
    """How one model of 1.6 or 2.0.1 stations is told to discharge, where the standard has no field for it.

    A model has an adapter only where somebody tried it: the gateway knows none by itself.
    """

    async def discharge(
        self,
        station_id: str,
        evse_id: int,
        power_kw: float,
        valid_for_s: float,
        call: Callable[[str, Mapping[str, object]], Awaitable[Mapping[str, object]]],
    ) -> bool:
        """Tells the station to discharge, or with 0 to stop discharging.

        Args:
            station_id: which station.
            evse_id: which EVSE.
            power_kw: at least 0: the power to discharge with [kW]; 0 ends discharging.
            valid_for_s: the station must stop by itself after so many seconds.
            call: sends a request to the station (``DataTransfer``); an external system need not use it.

        Returns:
            Whether the station, or the external system, accepted.
        """
        ...


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Settings of the gateway.

    Attributes:
        call_timeout_s: how long a station may take to answer [s].
        heartbeat_s: interval that stations are told at boot [s]; each gets up to 10 % less, so that they spread.
        ping_interval_s: mean time between WebSocket pings [s], jittered by a quarter; 0 for none.
        ping_timeout_s: how long a pong may take before the connection is given up [s].
        max_message_bytes: longest message accepted; a longer one closes the connection.
        messages_per_s: messages a station may send in the long run [1/s]; a faster one is read more slowly.
        message_burst: messages it may send at once.
        failed_logins: wrong passwords per station and remote address before further ones are refused unread.
        failed_login_window_s: after so long without a wrong one, they are read again [s].
        behind_tls_proxy: whether a proxy ends TLS in front of this listener, so that a plain connection counts as TLS.
        sites: sites whose stations are let in; ``None`` for all. A station that nobody controls is sent away.
        query_capabilities: whether stations are asked for their smart-charging abilities when they connect.
        clock_lag_s: a schedule starts this much before now, so that a station whose clock is behind obeys at once [s].
        issuer: signs certificates; ``None`` refuses all.
        consent: says which energy transfer an identified driver allows; ``None`` says nothing.
        discharge_adapters: adapter by ``StationRecord.model``, for the methods ``datatransfer`` and ``external``.
        data_transfer: handler by vendor id.
    """

    call_timeout_s: float = 30.0
    heartbeat_s: int = 300
    ping_interval_s: float = 60.0
    ping_timeout_s: float = 30.0
    max_message_bytes: int = 1 << 20
    messages_per_s: float = 20.0
    message_burst: int = 400
    failed_logins: int = 5
    failed_login_window_s: float = 60.0
    behind_tls_proxy: bool = False
    sites: frozenset[str] | None = None
    query_capabilities: bool = True
    clock_lag_s: int = 60
    issuer: CertificateIssuer | None = None
    consent: EnergyTransferConsent | None = None
    discharge_adapters: Mapping[str, DischargeAdapter] = field(default_factory=dict)
    data_transfer: Mapping[str, DataTransfer] = field(default_factory=dict)
