"""A live system with screens and one virtual station, in a process of its own; it does what its standard input says.

``plug CARD STORED_KWH`` and ``unplug``; each is answered by ``done``.
"""

import asyncio
import importlib.util
import sys
from pathlib import Path

from bothways.adapters.simulated.vehicle import VirtualVehicle

spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)


async def main(folder):
    async with live_world.world(folder, screens=True) as world:
        print(f"ready {world.url}/", flush=True)
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().split():
            if line[0] == "plug":
                vehicle = VirtualVehicle(line[1], 60.0, float(line[2]), 11.0, discharge_kw=10.0, min_charge_kw=4.14)
                await world.station.plug_in(1, vehicle)
            else:
                await world.station.unplug(1)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
