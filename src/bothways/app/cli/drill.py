"""``bothways drill``: an outage played at a simulated building with the real island controller, and its score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bothways.resilience.island.score import DrillScore
    from bothways.simulation.island_drill import Played


def drill(
    scenario: Annotated[
        Path | None,
        typer.Argument(help="Drill file (TOML); a built-in community centre without one.", show_default=False),
    ] = None,
    card: Annotated[
        list[str] | None,
        typer.Option(
            "--card",
            help="Fault card, may be given several times: charger-dies, two-cars-leave, smoke, restart, meter-lost, "
            "second-outage. Replaces the cards of the file.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print timeline and score as JSON and nothing else.")] = False,
) -> None:
    """Plays an outage in accelerated time and scores it: restored after, energy not served by tier, reserves kept.

    Runs the controller that runs a real building, at the simulated building (no sockets, no devices). Exit code 1
    where the drill is not passed: the first tier dark for more than 60 s, or a driver below the reserve.
    """
    from bothways.adapters.files.reading import read_toml  # noqa: PLC0415
    from bothways.resilience.island.score import score_drill  # noqa: PLC0415
    from bothways.simulation.island_drill import play  # noqa: PLC0415
    from bothways.simulation.island_setup import DEMO, setup_from_mapping  # noqa: PLC0415

    mapping = DEMO if scenario is None else read_toml(scenario)
    name = "the built-in drill" if scenario is None else str(scenario)
    setup = setup_from_mapping(mapping, name, None if card is None else tuple(card))
    played = play(setup)
    score = score_drill(played.record)
    if json:
        import json as encoder  # noqa: PLC0415

        told = _told(name, setup.site.site_id, setup.cards, played, score)
        typer.echo(encoder.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(setup.site.site_id, setup.outage_at_s, played, score)
    if not score.passed:
        raise typer.Exit(1)


def _told(name: str, site: str, cards: tuple[str, ...], played: Played, score: DrillScore) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return {
        "drill": name,
        "site": site,
        "plant": "simulated",
        "cards": list(cards),
        "phase_at_end": played.phase.value,
        "score": asdict(score),
        "timeline": [asdict(event) for event in played.timeline],
    }


def _show(site: str, outage_at_s: float, played: Played, score: DrillScore) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    out = Console(highlight=False)
    out.print(f"Drill at {site} (simulated building); times since the grid failed\n", markup=False)
    for event in played.timeline:
        seconds = event.t_s - outage_at_s
        sign, whole = ("-" if seconds < 0 else " "), round(abs(seconds))
        clock = f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        out.print(f"{clock}  {event.who:<10}  {event.text}", markup=False)
        if event.remedy:
            out.print(f"{'':10}{'':>12}  → {event.remedy}", markup=False)
    table = Table("tier", "restored after", "longest dark", "not served", "served")
    for tier in score.tiers:
        restored = "never" if tier.restored_s is None else f"{tier.restored_s:.0f} s"
        dark = f"{tier.longest_dark_s:.0f} s"
        table.add_row(
            str(tier.tier), restored, dark, f"{tier.unserved_kwh:.2f} kWh", f"{100 * tier.served_share:.1f} %"
        )
    out.print()
    out.print(table)
    kept = "every driver kept the reserve" if score.reserves_kept else f"below: {', '.join(score.below_reserve)}"
    out.print(f"reserves     {kept}", markup=False)
    out.print(f"interlock    {score.held_back} held back, {score.cut_off} cut off", markup=False)
    out.print(f"street fed   {score.street_fed_s:.1f} s", markup=False)
    out.print("passed" if score.passed else "NOT passed", markup=False)
