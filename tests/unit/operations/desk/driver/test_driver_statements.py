"""A month's statement from what stations and the site recorded."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bothways.domain.errors import InputError
from bothways.operations.desk.driver.statements import Statements, prices_from
from bothways.operations.events import Sample, TransactionChanged


async def _charged(world, make, *, until=60):
    """6 kWh in one hour, read every quarter of an hour, by T-1."""
    for number, minute in enumerate(range(0, until + 1, 15)):
        at = make.now + timedelta(minutes=minute)
        kind = "started" if minute == 0 else "ended" if minute == 60 else "updated"
        register = Sample(at, "Energy.Active.Import.Register", 100.0 + minute / 10.0, "kWh")
        await world.store.append(
            TransactionChanged(
                station_id="CP-1", at=at, received_at=at, kind=kind, transaction_id="tx-1", evse_id=1, seq_no=number,
                id_token="T-1", samples=(register,),
            )
        )  # fmt: skip


async def _priced(world, make, prices):
    for number, price in enumerate(prices):
        at = make.now + timedelta(minutes=15 * number)
        detail = {"step": int(at.timestamp()) // 900, "seconds": 900, "import_price": price, "export_price": 0.1,
                  "discharged_kwh": 0.0, "export_kwh": 0.0}  # fmt: skip
        await world.store.note("site interval", "house", at + timedelta(minutes=15), detail)


@pytest.mark.asyncio
async def test_a_month_line_by_line(world, people, make):
    await _charged(world, make)
    await _priced(world, make, [0.4, 0.3, 0.2, 0.1])
    world.later(hours=2)
    statement = await Statements(world.desk).month(people.driver, "T-1")
    (stay,) = statement.stays
    assert (statement.month, stay.metered, stay.sums.unpriced_kwh) == ("2026-05", True, 0)
    assert [line.cost for line in stay.lines] == [Decimal(text) for text in ("0.6000", "0.4500", "0.3000", "0.1500")]
    assert stay.net == Decimal("1.5000")
    assert stay.sums.uncontrolled_cost == Decimal("2.0250"), "2.75 kWh at 0.40, 2.75 at 0.30, 0.5 at 0.20 …"
    assert stay.saved == Decimal("0.5250")
    assert [(total.currency, total.net, total.saved) for total in statement.totals] == [("", stay.net, stay.saved)]


@pytest.mark.asyncio
async def test_an_unknown_price_is_said_and_not_invented(world, people, make):
    await _charged(world, make)
    await _priced(world, make, [0.4, 0.3])
    world.later(hours=2)
    (stay,) = (await Statements(world.desk).month(people.driver, "T-1")).stays
    assert [line.price is None for line in stay.lines] == [False, False, True, True]
    assert stay.sums.cost == Decimal("1.0500")
    assert stay.sums.unpriced_kwh > Decimal("3.0")
    zeros = [{"step": 1, "seconds": 900, "import_price": 0.0, "export_price": 0.0}]
    assert prices_from(zeros, stated=False) == []
    assert len(prices_from(zeros, stated=True)) == 1


@pytest.mark.asyncio
async def test_only_what_one_may_see_and_only_the_month(world, people, make):
    await _charged(world, make)
    world.later(hours=2)
    statements = Statements(world.desk)
    for stranger in (people.other, people.away, people.staff):
        assert (await statements.month(stranger, "T-1")).stays == ()
    assert (await statements.month(people.driver, "T-1", "2026-04")).stays == ()
    with pytest.raises(InputError):
        await statements.month(people.driver, "T-1", "2026-13")


def test_what_vehicles_gave_beyond_the_need_of_the_site_was_sold():
    record = {"step": 100, "seconds": 1800, "import_price": 0.3, "export_price": 0.1, "discharged_kwh": 4.0,
              "export_kwh": 1.0}  # fmt: skip
    first, second = prices_from([record], stated=False)
    assert second.start - first.start == timedelta(minutes=15)
    assert first.exported == Decimal("0.2500")
    assert first.given == Decimal("0.250000")
