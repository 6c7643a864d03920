"""``bothways station-simulator``: virtual charging stations for trying out any back end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def station_simulator(
    url: Annotated[str, typer.Argument(metavar="URL", help="Server up to the station's id: ws://127.0.0.1:9000/ocpp")],
    station_id: Annotated[str, typer.Option("--id", help="Identity of the station.")] = "VIRTUAL-1",
    protocol: Annotated[str, typer.Option(help="ocpp1.6, ocpp2.0.1 or ocpp2.1.")] = "ocpp2.1",
    stations: Annotated[
        Path | None, typer.Option(help="CSV with the columns station_id and secret: one virtual station per row.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the station's password; else BOTHWAYS_STATION_SECRET, else none.")
    ] = None,
    evses: Annotated[int, typer.Option(min=1, max=20, help="EVSEs per station.")] = 1,
    charge_kw: Annotated[float, typer.Option(min=0.1, help="Greatest charging power of an EVSE [kW].")] = 11.0,
    discharge_kw: Annotated[float, typer.Option(min=0.0, help="Greatest discharging power of an EVSE [kW].")] = 0.0,
    speed: Annotated[float, typer.Option(min=0.01, help="Seconds of the station's clock per real second.")] = 1.0,
    ca: Annotated[Path | None, typer.Option(help="Certificate of the authority behind the server's (wss).")] = None,
    duration_s: Annotated[
        float, typer.Option("--duration", min=0.0, help="Stop after so many real seconds; 0 runs on.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="For the drivers' coming and going.")] = 1,
) -> None:
    """Runs virtual stations with vehicles, batteries and drivers until interrupted.

    They speak OCPP over a real socket, keep charging profiles, count energy, and queue what happens offline.
    """
    from bothways.app.live.simulator import SimulatorSettings, run_simulator  # noqa: PLC0415

    run_simulator(
        SimulatorSettings(
            url=url,
            station_id=station_id,
            protocol=protocol,
            stations=stations,
            secret_file=secret_file,
            evses=evses,
            charge_kw=charge_kw,
            discharge_kw=discharge_kw,
            speed=speed,
            ca=ca,
            duration_s=duration_s,
            seed=seed,
        )
    )
