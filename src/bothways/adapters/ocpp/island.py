"""Chargers that form an island, in the words of OCPP 2.1.

OCPP 2.1 has no operation mode for forming a grid. What comes nearest is ``LocalLoadBalancing``: the station follows the
load of the building by itself, and no power is told. It is left as a profile that outlives a silent server, because
others depend on the island; the start itself is a hard-wired contact. OCPP has no field for stored energy that must
stay, so the profile ends when the vehicle could have reached it at full output; it is prolonged while somebody watches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

from bothways.adapters.ocpp.wire import stamp
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult
from bothways.operations.ports import ChargerGateway, Clock

ISLAND_ID = 200
"""Profile id of EVSE 0; safe profiles and orders have lower ones."""

STACK = 1
"""Above the orders, which are left at 0."""

MODE = "LocalLoadBalancing"
_LAG = timedelta(seconds=60)


def island_profile(evse_id: int, transaction_id: str, start: str, seconds: int) -> dict[str, object]:
    """SetChargingProfile for an EVSE that holds the island: no limit, no setpoint, as the mode demands."""
    period = {"startPeriod": 0, "operationMode": MODE}
    schedule = {
        "id": ISLAND_ID + evse_id, "startSchedule": start, "duration": seconds, "chargingRateUnit": "W",
        "chargingSchedulePeriod": [period],
    }  # fmt: skip
    profile = {
        "id": ISLAND_ID + evse_id, "stackLevel": STACK, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute", "transactionId": transaction_id, "chargingSchedule": [schedule],
    }  # fmt: skip
    return {"evseId": evse_id, "chargingProfile": profile}


class IslandMode:
    """Fulfils ``FormingChargers`` with stations of OCPP 2.1.

    Args:
        gateway: to the stations.
        clock: for the start of profiles.
    """

    def __init__(self, gateway: ChargerGateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock

    async def hold(self, evse: EvseKey, transaction_id: str, seconds: float) -> CommandResult:
        """Leaves the profile of an island at the station; it ends after so many seconds [s].

        The clock of a station may be a minute behind: what begins a minute ago ends no later than it may.
        """
        lasting = math.floor(seconds)
        if lasting <= _LAG.total_seconds():
            return CommandResult(False, "Rejected", math.nan, self._clock.now(), "too little above the reserve")  # noqa: FBT003
        start = stamp((self._clock.now() - _LAG).replace(microsecond=0))
        payload = island_profile(evse.evse_id, transaction_id, start, lasting)
        return await self._ask(evse, "SetChargingProfile", payload)

    async def let_go(self, evse: EvseKey) -> CommandResult:
        """Takes it back; a station that does not know it any more has done so already."""
        return await self._ask(evse, "ClearChargingProfile", {"chargingProfileId": ISLAND_ID + evse.evse_id})

    async def _ask(self, evse: EvseKey, action: str, payload: Mapping[str, object]) -> CommandResult:
        try:
            answer = await self._gateway.call(evse.station_id, action, payload)
        except GatewayError as error:
            return CommandResult(False, "offline", math.nan, self._clock.now(), str(error))  # noqa: FBT003
        status = str(answer.get("status", ""))
        return CommandResult(status in {"Accepted", "Unknown"}, status, math.nan, self._clock.now())
