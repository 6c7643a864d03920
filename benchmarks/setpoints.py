"""A new setpoint for every station of a fleet: from the signal to the station's socket, and to its answer.

Run by hand: ``python benchmarks/setpoints.py [--stations 5000] [--rounds 7]``. The stations are sockets in a process of
their own on 127.0.0.1; each has a transaction and a profile, and answers what it is told. One signal gives all of them
another power at once. Both processes read the same monotonic clock. The goal: the setpoint at 99 % of 5 000 stations
within a second.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import pstats
import resource
import statistics
import struct
import subprocess
import sys
import time
from typing import cast

import orjson
import uvloop

from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.server import OcppGateway
from bothways.app.live.memory import settle
from bothways.operations.events import EvseKey
from bothways.operations.orders import PowerOrder
from bothways.operations.stations import EvseRecord
from ocpp_gateway import SECRET, Anyone, WallClock

EVSE = EvseRecord(1, 22.0)


class Station(asyncio.Protocol):
    """One station's socket, as thin as can be: what is measured is the server, not this."""

    def __init__(self, number: int, protocol: str, heard: list[float]) -> None:
        self.number, self.protocol, self.heard = number, protocol, heard
        self.ready = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the WebSocket."""
        self._transport = transport = cast("asyncio.Transport", transport)
        name = f"CP{self.number}"
        proof = base64.b64encode(name.encode() + b":" + SECRET).decode()
        transport.write(
            (
                f"GET /ocpp/{name} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(name.encode().ljust(16)[:16]).decode()}\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {self.protocol}\r\n"
                f"Authorization: Basic {proof}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Reads whole frames; a call is noted with its instant and accepted."""
        data = self._rest + data
        if not self._open:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self._rest = head
                return
            assert b" 101 " in head[:20], head
            self._open = True
            self.ready.set_result(None)
        while len(data) >= 2:
            length, at = data[1] & 127, 2
            if length == 126:
                length, at = struct.unpack_from("!H", data, 2)[0], 4
            if len(data) < at + length:
                break
            self._message(data[0] & 15, data[at : at + length])
            data = data[at + length :]
        self._rest = data

    def _message(self, opcode: int, text: bytes) -> None:
        if opcode != 1:
            return
        self.heard.append(time.monotonic())
        answer = b'[3,"' + text.split(b'"', 2)[1] + b'",{"status":"Accepted"}]'
        assert self._transport is not None
        # a mask of four zeros leaves the text as it is
        self._transport.write(struct.pack("!BB", 0x81, 0x80 | len(answer)) + b"\0\0\0\0" + answer)


async def live(port: int, count: int, protocol: str) -> None:
    """The stations: connects all, then tells after each line of input when they were told."""
    loop, heard = asyncio.get_running_loop(), list[float]()
    for first in range(0, count, 100):
        stations = [Station(number, protocol, heard) for number in range(first, min(first + 100, count))]
        for station in stations:
            await loop.create_connection(lambda station=station: station, "127.0.0.1", port)
        await asyncio.gather(*(station.ready for station in stations))
    print("connected", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(orjson.dumps(heard).decode(), flush=True)
        heard.clear()


async def measure(count: int, rounds: int, protocol: str, *, profile: bool, tended: bool) -> None:
    """Prints the table."""
    everything = Anyone()
    options = GatewayOptions(query_capabilities=False, ping_interval_s=0.0)
    gateway = OcppGateway(everything, everything, WallClock(), options)
    port = await gateway.listen("127.0.0.1", 0)
    command = [sys.executable, __file__, "--stations", str(count), "--protocol", protocol, "--live", str(port)]
    clients = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 24
    )
    assert clients.stdin is not None
    assert clients.stdout is not None
    assert await clients.stdout.readline() == b"connected\n"
    if tended:
        settle()  # as `bothways serve` does

    async def ask() -> list[float]:
        assert clients.stdin is not None
        assert clients.stdout is not None
        clients.stdin.write(b"\n")
        return list(orjson.loads(await clients.stdout.readline()))

    profiler = cProfile.Profile()
    at_station, answered, busy, writing = [], [], [], []
    for turn in range(rounds + 1):
        await ask()
        cpu, began = time.process_time(), time.monotonic()
        if profile and turn:
            profiler.enable()
        orders = [PowerOrder(EvseKey(f"CP{k}", 1), 7.0 + turn, f"{k}", 60.0) for k in range(count)]
        tasks = [asyncio.ensure_future(gateway.set_power(order, EVSE)) for order in orders]
        written: list[float] = []
        # runs once every task has had its first turn, which ends with its order on the wire
        asyncio.get_running_loop().call_soon(lambda marks: marks.append(time.process_time()), written)
        results = await asyncio.gather(*tasks)
        profiler.disable()
        ended, spent = time.monotonic(), time.process_time() - cpu
        refused = [result for result in results if not result.accepted]
        assert not refused, refused[0]
        heard = sorted(when - began for when in await ask())
        assert len(heard) == count, f"{len(heard)} calls for {count} orders"
        if turn:  # the first round reads every station's record and warms up
            at_station.append(heard[int(0.99 * len(heard))])
            answered.append(ended - began)
            busy.append(spent)
            writing.append(written[0] - cpu)
    clients.stdin.close()
    await clients.wait()
    print(
        f"{protocol:10} {count:6d} stations   told: p99 {statistics.median(at_station):5.2f} s "
        f"(worst round {max(at_station):.2f})   all answered {statistics.median(answered):5.2f} s   "
        f"processor {statistics.median(writing):4.2f} s to tell all, "
        f"{1e6 * statistics.median(busy) / count:4.0f} µs each with the answer"
    )
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    await gateway.close(1.0)


def main() -> None:
    """Measures each protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--protocol", default="")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--untended", action="store_true", help="leave the garbage collector as Python has it")
    parser.add_argument("--live", type=int, default=0, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if settings.live:
        uvloop.run(live(settings.live, settings.stations, settings.protocol))
        return
    for protocol in [settings.protocol] if settings.protocol else ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]:
        uvloop.run(
            measure(
                settings.stations, settings.rounds, protocol, profile=settings.profile, tended=not settings.untended
            )
        )


if __name__ == "__main__":
    main()
