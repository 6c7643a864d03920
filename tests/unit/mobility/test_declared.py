"""Drivers' declarations become cautious departures, from experience only."""

from pathlib import Path

import numpy as np
import pytest

from bothways.adapters.files.sessions import read_sessions
from bothways.domain.errors import DomainError
from bothways.mobility.declared import DepartureModel, Finished, Sample, Window, mixture_quantile

H = 3600
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "workplace-jpl" / "data"


def ended(stay_h: float, declared_h: float | None, vehicle: str | None = None, at_h: float = 0.0) -> Finished:
    arrival = int(at_h * H)
    declared = None if declared_h is None else arrival + int(declared_h * H)
    return Finished(arrival, arrival + int(stay_h * H), declared, 10.0, 8.0, vehicle)


def estimate(model: DepartureModel, declared_h: float | None, **more) -> float | None:
    options = {"arrival_s": 0, "confidence": 0.9, **more}
    declared = None if declared_h is None else int(declared_h * H)
    when = model.departure(declared_departure_s=declared, **options)
    return None if when is None else when / H


def test_a_window_forgets_the_oldest() -> None:
    window = Window(3)
    for value in (5.0, 1.0, 3.0, 1.0, 2.0):
        window.add(value)
    assert window.ordered == [1.0, 2.0, 3.0]
    with pytest.raises(DomainError, match="finite"):
        window.add(float("nan"))
    with pytest.raises(DomainError, match="size"):
        Window(0)


def test_the_quantile_of_a_mixture_against_brute_force() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        one, two = np.sort(rng.integers(0, 9, 7)).astype(float), np.sort(rng.integers(0, 9, 4)).astype(float)
        weight, share, below = rng.random(), rng.random(), float(rng.integers(1, 12))
        kept = [values[values < below] for values in (one, two)]
        points = np.concatenate(kept)
        samples = [Sample(one.tolist(), weight, below), Sample(two.tolist(), 1.0 - weight, below)]
        found = mixture_quantile(samples, share)
        if points.size == 0:
            assert found is None
            continue
        mass = np.concatenate(
            [np.full(k.size, w / n) for k, w, n in zip(kept, (weight, 1 - weight), (7, 4), strict=True)]
        )
        smallest = min(k.size for k in kept if k.size)
        wanted = min(1.0, share * (smallest + 1) / smallest)
        reached = [x for x in np.unique(points) if mass[points <= x].sum() / mass.sum() >= wanted - 1e-12]
        assert found == reached[0]


def test_without_experience_the_declaration_is_believed() -> None:
    model = DepartureModel()
    assert estimate(model, 8.0) == 8.0
    assert estimate(model, None) is None
    assert model.energy_share(confidence=0.5) is None
    for _ in range(9):
        model.learn(ended(4.0, 8.0))
    assert estimate(model, 8.0) == 8.0
    model.learn(ended(4.0, 8.0))
    assert estimate(model, 8.0) == 4.0
    assert estimate(model, None) == 4.0
    assert model.energy_share(confidence=0.5) == pytest.approx(0.8)


def test_who_leaves_early_how_often() -> None:
    model = DepartureModel()
    for k in range(100):
        model.learn(ended(6.0 if k % 5 == 0 else 8.0, 8.0))
    assert estimate(model, 8.0, confidence=0.9) == 6.0
    assert estimate(model, 8.0, confidence=0.7) == 8.0
    assert estimate(model, 8.0, confidence=0.9, now_s=int(6.5 * H)) == 8.0


def test_still_there_longer_than_anybody_before() -> None:
    model = DepartureModel()
    for _ in range(20):
        model.learn(ended(6.0, 8.0))
        model.learn(ended(5.0, None))
    assert estimate(model, 8.0, now_s=7 * H) == 8.0
    assert estimate(model, 8.0, now_s=9 * H) == 9.0
    assert estimate(model, None, now_s=9 * H) == 9.0


def test_a_cautious_departure_is_never_after_the_declared_one() -> None:
    model = DepartureModel()
    for _ in range(20):
        model.learn(ended(10.0, 8.0))
    assert estimate(model, 8.0) == 10.0
    asked = {"arrival_s": 0, "declared_departure_s": 8 * H}
    assert model.cautious_departure(**asked) == 8 * H
    assert model.cautious_departure(**asked, now_s=9 * H) == 9 * H


def test_a_vehicle_with_a_record_of_its_own() -> None:
    model = DepartureModel(trust=5.0)
    for _ in range(50):
        model.learn(ended(8.0, 8.0, "punctual"))
        model.learn(ended(4.0, 8.0, "early"))
    assert estimate(model, 8.0, confidence=0.6) == 4.0
    assert estimate(model, 8.0, confidence=0.6, vehicle_id="stranger") == 4.0
    assert estimate(model, 8.0, confidence=0.6, vehicle_id="punctual") == 8.0
    assert estimate(model, 8.0, confidence=0.6, vehicle_id="early") == 4.0


def test_time_of_day_and_length_make_a_difference() -> None:
    model = DepartureModel()
    for _ in range(20):
        model.learn(ended(8.0, 8.0, at_h=7.0))
        model.learn(ended(1.0, 2.0, at_h=13.0))
    assert estimate(model, 15.0, arrival_s=7 * H) == pytest.approx(15.0)
    assert estimate(model, 15.0, arrival_s=13 * H) == pytest.approx(14.0)


def test_nonsense_is_refused_or_ignored() -> None:
    model = DepartureModel(least=1)
    with pytest.raises(DomainError, match="confidence"):
        estimate(model, 8.0, confidence=1.0)
    with pytest.raises(DomainError, match="confidence"):
        model.energy_share(confidence=0.0)
    with pytest.raises(DomainError, match="least"):
        DepartureModel(least=0)
    model.learn(Finished(100, 200, 50, 0.0, 1.0))  # declared before the arrival, nothing asked for
    assert model.energy_share(confidence=0.5) is None
    assert model.departure(arrival_s=0, declared_departure_s=-5, confidence=0.5) == 100


def test_on_the_jpl_garage_a_share_means_what_it_says() -> None:
    """Replays eight months in the order of events: learnt at plug-out, asked at plug-in."""
    table = read_sessions(sorted(EXAMPLE.glob("acn_jpl_2019-*.csv.gz")), preset="acn").table
    events = sorted([(int(t), 1, k) for k, t in enumerate(table.departure_s)]
                    + [(int(t), 0, k) for k, t in enumerate(table.arrival_s)])  # fmt: skip
    model = DepartureModel()
    kept: dict[tuple[bool, float], list[bool]] = {}
    loss: list[float] = []
    for when, ends, k in events:
        declared = int(table.declared_departure_s[k]) if table.has_declared_departure[k] else None
        if ends:
            model.learn(Finished(int(table.arrival_s[k]), when, declared, None, float(table.delivered_kwh[k])))
            continue
        for share in (0.5, 0.8, 0.9, 0.95):
            found = model.departure(arrival_s=when, declared_departure_s=declared, confidence=share)
            if found is not None:
                kept.setdefault((declared is not None, share), []).append(bool(table.departure_s[k] >= found))
                if share == 0.9 and declared is not None:
                    late = (int(table.departure_s[k]) - found) / H
                    loss.append(0.1 * late if late >= 0 else -0.9 * late)
    for share in (0.5, 0.8, 0.9, 0.95):
        assert np.mean(kept[True, share]) == pytest.approx(share, abs=0.01)
        assert np.mean(kept[False, share]) == pytest.approx(share, abs=0.04)
    assert np.mean(loss) < 0.4
