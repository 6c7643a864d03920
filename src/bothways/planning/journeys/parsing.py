"""Reads sites and trips from a mapping (JSON, or the arrays of an .npz file) and writes them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from bothways.domain.errors import InputError, Problems
from bothways.planning.journeys.problem import JourneyProblem, Trips, faulty_trips
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping
from bothways.planning.problem import Ints, PlanProblem
from bothways.planning.values import Allowed, Reader

TRIP_KEYS = tuple(item.name for item in fields(Trips))
"""Columns of ``trips``."""

KEYS = ("sites", "trips", "step_h", "periods")
"""Keys of a journey problem."""

_ROW = Allowed("number of a vehicle", 0, 1e9, whole=True)
_ENERGY = Allowed("kWh", 0.0, 1e9)


def journeys_from_mapping(mapping: Mapping[str, object], *, at: str = "") -> JourneyProblem:
    """Reads sites and trips and checks them whole.

    Args:
        mapping: ``sites``, a plan problem under each name; ``trips``, columns; ``step_h`` and ``periods`` may stand
            here once instead of at every site.
        at: what is read, for the messages (usually the file's name).

    Raises:
        InputError: anything is wrong; it carries all problems found.
    """
    problems = Problems(at=at)
    reader = Reader(dict(mapping), problems)
    reader.check_keys(KEYS, frozenset({"sites", "trips"}))
    listed, columns = reader.raw("sites"), reader.raw("trips")
    if not isinstance(listed, Mapping) or not listed:
        reader.fault("sites", type(listed).__name__, "an object with a plan problem per site", "Name the sites.")
    if not isinstance(columns, Mapping):
        reader.fault("trips", type(columns).__name__, "an object with one column per property", "Give its columns.")
    problems.raise_if_any()
    if not isinstance(listed, Mapping) or not isinstance(columns, Mapping):  # noted above; said for the type checker
        raise InputError(problems.items)
    names = tuple(str(name) for name in listed)
    trips = _trips(Reader(dict(columns), problems, "trips."), names)
    sites = _sites(listed, {key: mapping[key] for key in ("step_h", "periods") if key in mapping}, trips, problems)
    problems.raise_if_any()
    if trips is None:  # noted where it was read
        raise InputError(problems.items)
    whole = tuple(sites)
    for _, column, sentence in faulty_trips(whole, trips):
        problems.add(f"trips.{column}", sentence, "a trip between two stays of one battery", "Correct the trip.")
    if any((site.periods, site.step_h) != (whole[0].periods, whole[0].step_h) for site in whole):
        problems.add("sites", "sites with different steps", "the same step_h and periods at every site", "Match them.")
    for name, site in zip(names, whole, strict=True):
        if site.energy_reserve is not None:
            where = f"sites.{name}.energy_reserve"
            problems.add(where, "a reserve", "none together with trips", "Plan the site alone, or leave it out.")
        if site.part_load is not None:
            where = f"sites.{name}.loss_curves"
            remedy = "Leave out loss_curves and vehicles.loss_curve: the efficiencies hold then."
            problems.add(where, "losses at part load", "none together with trips", remedy)
    problems.raise_if_any()
    return JourneyProblem(names, whole, trips)


def journeys_to_mapping(problem: JourneyProblem) -> dict[str, object]:
    """Writes sites and trips as a mapping ready for JSON; reading it back gives the same problem."""
    trips = problem.trips
    columns: dict[str, object] = {"energy_kwh": trips.energy_kwh.tolist()}
    for key in ("from_site", "to_site"):
        columns[key] = [problem.names[number] for number in getattr(trips, key).tolist()]
    for key in ("from_vehicle", "to_vehicle"):
        columns[key] = getattr(trips, key).tolist()
    sites = {name: problem_to_mapping(site) for name, site in zip(problem.names, problem.sites, strict=True)}
    return {"sites": sites, "trips": {key: columns[key] for key in TRIP_KEYS}}


def _trips(reader: Reader, names: tuple[str, ...]) -> Trips | None:
    reader.check_keys(TRIP_KEYS, frozenset(TRIP_KEYS))
    begin, end = _site_numbers(reader, "from_site", names), _site_numbers(reader, "to_site", names)
    length = None if begin is None else begin.size
    before, after = (reader.numbers(key, _ROW, length=length) for key in ("from_vehicle", "to_vehicle"))
    energy = reader.numbers("energy_kwh", _ENERGY, length=length)
    if begin is None or end is None or before is None or after is None or energy is None:
        return None
    if begin.size != end.size:
        reader.fault("to_site", f"{end.size} values", f"{begin.size} values", "Match the lengths.")
        return None
    one, other, used = (np.array(np.broadcast_to(np.nan_to_num(c), begin.shape)) for c in (before, after, energy))
    return Trips(begin, one.astype(np.int64), end, other.astype(np.int64), used)


def _site_numbers(reader: Reader, key: str, names: tuple[str, ...]) -> Ints | None:
    raw = reader.raw(key)
    listed = raw.tolist() if isinstance(raw, np.ndarray) else raw
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, list | tuple):
        if reader.has(key):
            reader.fault(key, raw, "a list of names of sites", "Give one for every trip.")
        return None
    numbers = []
    for at, name in enumerate(listed):
        if name not in names:
            reader.fault(f"{key}[{at}]", name, ", ".join(names), "Name one of the sites.")
        else:
            numbers.append(names.index(name))
    return np.array(numbers, dtype=np.int64) if len(numbers) == len(listed) else None


def _sites(
    listed: Mapping[str, object], shared: dict[str, object], trips: Trips | None, problems: Problems
) -> list[PlanProblem]:
    sites = []
    for number, (name, content) in enumerate(listed.items()):
        given = content
        if isinstance(content, Mapping):
            reached = [] if trips is None else trips.to_vehicle[trips.to_site == number].tolist()
            given = {**shared, **_without_unknown_arrivals(content, reached)}
        try:
            at = f"{problems.at}: sites.{name}" if problems.at else f"sites.{name}"
            sites.append(problem_from_mapping(given, at=at))
        except InputError as error:
            problems.extend(error.problems)
    return sites


def _without_unknown_arrivals(content: Mapping[str, object], reached: list[int]) -> dict[str, object]:
    """The site with 0 for the energies at arrival that are ``null`` because a trip decides them."""
    vehicles = content.get("vehicles")
    if not isinstance(vehicles, Mapping):
        return dict(content)
    energies = vehicles.get("energy_at_arrival_kwh")
    if not isinstance(energies, list):
        return dict(content)
    known = [0.0 if value is None and at in reached else value for at, value in enumerate(energies)]
    return {**content, "vehicles": {**vehicles, "energy_at_arrival_kwh": known}}
