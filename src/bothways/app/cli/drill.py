"""``bothways drill``: an outage played with the real island controller, alone or in the live system, and its score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bothways.resilience.island.score import DrillScore
    from bothways.simulation.island_drill import DrillSetup, Played

LiveOption = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Through real sockets: the live system with its store, virtual OCPP stations and a switchgear behind "
        "Modbus. Some 25 to 60 times as fast as life, at the pace of this machine.",
    ),
]
HoursOption = Annotated[
    float | None, typer.Option("--hours", help="Length of the outage; replaces the file's.", show_default=False)
]
PaperOption = Annotated[
    Path | None,
    typer.Option(
        "--paper",
        help="Write the paper plan of the building to this HTML file and play nothing. Of a live configuration, "
        "too: that of the site named by --site, or the only one that can be an island.",
        show_default=False,
    ),
]
SiteOption = Annotated[str, typer.Option("--site", help="Site of a live configuration, for --paper.")]


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
    live: LiveOption = False,
    hours: HoursOption = None,
    paper: PaperOption = None,
    site: SiteOption = "",
    json: Annotated[bool, typer.Option("--json", help="Print timeline and score as JSON and nothing else.")] = False,
) -> None:
    """Plays an outage in accelerated time and scores it: restored after, energy not served by tier, reserves kept.

    Runs the controller that runs a real building, at the simulated building: alone (seconds), or with --live in the
    whole live system on real sockets. Exit code 1 where the drill is not passed: the first tier dark for more than
    60 s, or a driver below the reserve.
    """
    from bothways.adapters.files.reading import read_toml  # noqa: PLC0415
    from bothways.resilience.island.score import score_drill  # noqa: PLC0415
    from bothways.simulation.island_drill import play  # noqa: PLC0415
    from bothways.simulation.island_setup import DEMO, setup_from_mapping  # noqa: PLC0415

    mapping = DEMO if scenario is None else read_toml(scenario, with_nan=True)
    name = "the built-in drill" if scenario is None else str(scenario)
    if paper is not None:
        from bothways.app.drill.paper import write_paper  # noqa: PLC0415

        typer.echo(f"paper plan: {write_paper(mapping, name, site, paper)}")
        return
    mapping = mapping if hours is None else _lasting(mapping, hours)
    setup = setup_from_mapping(mapping, name, None if card is None else tuple(card))
    if live:
        from bothways.app.drill.live import play_live  # noqa: PLC0415
        from bothways.app.live.logs import configure  # noqa: PLC0415

        configure("text", "error")
        played = play_live(setup)
    else:
        played = play(setup)
    score = score_drill(played.record)
    if json:
        import json as encoder  # noqa: PLC0415

        told = _told(name, "live, through sockets" if live else "simulated", setup, played, score)
        typer.echo(encoder.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show("the live system, through sockets" if live else "simulated building", setup, played, score)
    if not score.passed:
        raise typer.Exit(1)


def _lasting(mapping: Mapping[str, Any], hours: float) -> dict[str, Any]:
    """The drill's file with another length of the outage; what is wrong with it is said where it is read."""
    outage = mapping.get("outage", {})
    return {**mapping, "outage": {**outage, "hours": hours} if isinstance(outage, dict) else outage}


def _told(name: str, plant: str, setup: DrillSetup, played: Played, score: DrillScore) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return {
        "drill": name,
        "site": setup.site.site_id,
        "plant": plant,
        "cards": list(setup.cards),
        "phase_at_end": played.phase.value,
        "score": asdict(score),
        "timeline": [asdict(event) for event in played.timeline],
    }


def _show(plant: str, setup: DrillSetup, played: Played, score: DrillScore) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    out = Console(highlight=False)
    out.print(f"Drill at {setup.site.site_id} ({plant}); times since the grid failed\n", markup=False)
    for event in played.timeline:
        seconds = event.t_s - setup.outage_at_s
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
