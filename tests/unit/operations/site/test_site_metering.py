"""What samples say: signs, phases, registers, late messages and wrong clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from bothways.operations.events import EvseKey, MeterValuesReceived, Sample, StatusChanged, TransactionChanged
from bothways.operations.site.book import SiteBook
from bothways.operations.site.metering import Meter
from bothways.operations.stations import EvseRecord, StationRecord

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
KEY = EvseKey("S", 1)


def sample(measurand, value, seconds=0, **fields):
    unit = "kWh" if "Energy" in measurand else "A" if "Current" in measurand else "kW"
    return Sample(NOW + timedelta(seconds=seconds), measurand, value, unit, **fields)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("into", "out", "power"),
    [(7.0, None, 7.0), (7.0, 0.0, 7.0), (0.0, 5.0, -5.0), (-5.0, None, -5.0), (-5.0, 5.0, -5.0), (None, 5.0, -5.0),
     (None, 0.0, 0.0), (None, None, 0.0)],
)  # fmt: skip
def test_an_export_or_a_negative_import_means_discharging_and_they_are_never_added(into, out, power):
    meter = Meter()
    samples = [sample("Power.Active.Import", into)] if into is not None else []
    samples += [sample("Power.Active.Export", out)] if out is not None else []
    assert meter.take(samples, NOW) is (into is not None or out is not None)
    assert meter.power_kw == power


def test_phases_add_up_where_no_sum_is_sent_and_tell_how_the_vehicle_charges():
    meter = Meter()
    meter.take([sample("Power.Active.Import", 3.6, phase="L1"), sample("Power.Active.Import", 0.0, phase="L2")], NOW)
    assert meter.power_kw == pytest.approx(3.6)
    assert meter.shares == (1.0, 0.0, 0.0)
    meter.new_session()
    assert meter.shares is None
    amps = [sample("Current.Import", 16.0, phase=f"L{k}") for k in (1, 2, 3)]
    meter.take([sample("Power.Active.Import", 11.0), *amps], at(1))
    assert meter.shares == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_registers_alone_give_a_mean_power():
    meter = Meter()
    meter.take([sample("Energy.Active.Import.Register", 100.0)], NOW)
    meter.take([sample("Energy.Active.Import.Register", 100.1, 60)], at(60))
    assert meter.power_kw == pytest.approx(6.0)


def test_a_late_value_never_replaces_a_newer_one_and_places_inside_the_vehicle_do_not_count():
    meter = Meter()
    meter.take([sample("Power.Active.Import", 7.0, 10)], at(10))
    meter.take([sample("Power.Active.Import", 1.0, 5)], at(11))
    meter.take([sample("Power.Active.Import", 50.0, 12, location="Inlet")], at(12))
    meter.take([sample("Power.Active.Import", float("nan"), 13)], at(13))
    assert meter.power_kw == 7.0


def test_a_stations_wrong_clock_is_not_taken_for_old_news():
    meter = Meter()
    for second in range(5):
        meter.take([sample("Power.Active.Import", 7.0, second - 3600)], at(second))
    assert (at(4) - meter.power_at).total_seconds() < 5.0


def book():
    made = SiteBook("site")
    made.install([StationRecord("S", "site", (EvseRecord(1, 11.0),))])
    return made


def change(kind, seconds=0, transaction="A", samples=(), **fields):
    return TransactionChanged(
        station_id="S", at=at(seconds), received_at=at(fields.pop("received", seconds)), kind=kind,
        transaction_id=transaction, evse_id=fields.pop("evse_id", 1), id_token="car", samples=tuple(samples), **fields,
    )  # fmt: skip


def test_energy_follows_the_register_and_the_power_between_two_readings():
    made = book()
    assert made.apply(change("started", samples=[sample("Energy.Active.Import.Register", 500.0)]))
    made.apply(change("updated", 10, samples=[sample("Power.Active.Import", 7.2, 10)]))
    made.advance(at(10), 1, 5.0)
    made.advance(at(14), 1, 5.0)
    visit = made.outlets[KEY].visit
    assert visit.delivered_kwh == pytest.approx(7.2 * 4 / 3600)
    made.apply(change("updated", 20, samples=[sample("Energy.Active.Import.Register", 500.05, 20)]))
    assert visit.delivered_kwh == pytest.approx(0.05)
    made.advance(at(4000), 1, 5.0)
    assert visit.delivered_kwh < 0.07  # an hour without a word is not counted as charging


def test_offline_values_are_energy_and_never_todays_power():
    made = book()
    made.apply(change("started", samples=[sample("Energy.Active.Import.Register", 10.0)]))
    old = [sample("Power.Active.Import", 11.0, 5), sample("Energy.Active.Import.Register", 12.0, 5)]
    made.apply(change("updated", 5, received=900, offline=True, samples=old))
    outlet = made.outlets[KEY]
    assert outlet.meter.power_at is None
    assert outlet.visit.delivered_kwh == pytest.approx(2.0)


def test_a_visit_begins_with_the_plug_and_ends_with_it():
    made = book()
    plug = {"station_id": "S", "evse_id": 1, "connector_id": 1}
    assert made.apply(StatusChanged(at=NOW, received_at=NOW, status="Occupied", **plug))
    first = made.outlets[KEY].visit
    assert first.transaction_id == ""
    assert made.apply(change("started", 5))
    assert made.outlets[KEY].visit is first
    assert not made.apply(change("updated", 6, transaction="elsewhere"))
    assert made.apply(change("ended", 50, meter_stop_kwh=None))
    assert made.outlets[KEY].visit is None
    assert not made.apply(StatusChanged(at=NOW, received_at=NOW, status="Available", **plug))
    assert [left for *_, left in made.finished] == [at(50)]


def test_an_update_that_names_no_evse_finds_its_transaction():
    made = book()
    made.apply(change("started"))
    made.apply(MeterValuesReceived(station_id="S", at=NOW, received_at=NOW, evse_id=0, transaction_id="A",
                                   samples=(sample("Power.Active.Import", 3.0),)))  # fmt: skip
    assert made.outlets[KEY].meter.power_kw == 3.0
    assert made.outlet_of("unknown", 1) is None


def test_reinstalling_keeps_what_is_known():
    made = book()
    made.apply(change("started"))
    made.install([StationRecord("S", "site", (EvseRecord(1, 22.0),))])
    assert made.outlets[KEY].visit is not None
    assert made.outlets[KEY].record.charge_kw == 22.0
    made.install([])
    assert made.outlets == {}
