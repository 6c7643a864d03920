"""Who is let in: a station of a site that nobody here controls is not."""

import base64

import pytest

from bothways.adapters.ocpp.admission import Denied, Guesses, Peer, admit
from bothways.operations.stations import EvseRecord, StationRecord

HEADER = "Basic " + base64.b64encode(b"CP1:a-good-long-secret").decode()


class Registry:
    """One station."""

    async def station(self, station_id):
        return StationRecord(station_id, "house", (EvseRecord(1, 11.0),)) if station_id == "CP1" else None

    async def verify(self, station_id, secret):
        return secret == b"a-good-long-secret"


async def asks(sites, header=HEADER):
    guesses, peer = Guesses(5, 60.0, lambda: 0.0), Peer("192.0.2.1", False, {})
    return await admit("/ocpp/CP1", header, peer, Registry(), guesses, behind_proxy=False, sites=sites)


@pytest.mark.asyncio
@pytest.mark.parametrize("sites", [None, frozenset({"house", "mill"})])
async def test_a_station_of_a_configured_site_is_let_in(sites):
    assert (await asks(sites)).site_id == "house"


@pytest.mark.asyncio
async def test_a_station_that_nobody_here_controls_is_sent_away_once_it_has_proved_itself():
    with pytest.raises(Denied, match="site is not configured") as denied:
        await asks(frozenset({"mill"}))
    assert denied.value.status == 403
    with pytest.raises(Denied) as unproved:  # a stranger learns nothing about sites
        await asks(frozenset({"mill"}), None)
    assert unproved.value.status == 401
