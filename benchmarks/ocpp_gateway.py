"""The OCPP gateway: TransactionEvents per second and core, round trips over sockets, memory of idle connections.

Run by hand: ``python benchmarks/ocpp_gateway.py [--connections 9000]``. Talks to 127.0.0.1 only and ends by itself.
The goals: 20 000 validated TransactionEvents per second and core; 9 000 idle connections at no more than 30 KiB each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvloop
from websockets.asyncio.client import connect

from bothways.adapters.ocpp import rpc
from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.schemas import violations
from bothways.adapters.ocpp.server import OcppGateway
from bothways.adapters.ocpp.session import Session
from bothways.adapters.ocpp.steering import Steering
from bothways.adapters.ocpp.talk import Talk
from bothways.operations.events import EvseKey, StationEvent
from bothways.operations.orders import PowerOrder
from bothways.operations.ports import Receipt
from bothways.operations.stations import EvseRecord, StationRecord

SECRET = b"benchmark-secret-1"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Anyone:
    """A registry that knows every station, and an intake that takes everything."""

    async def receive(self, event: StationEvent) -> Receipt:
        """Takes it."""
        del event
        return Receipt(new=True, transaction_id="1")

    async def authorize(self, station_id: str, id_token: str) -> str:
        """Lets everybody charge."""
        del station_id, id_token
        return "Accepted"

    async def station(self, station_id: str) -> StationRecord | None:
        """Knows it."""
        return StationRecord(station_id, "site", (EvseRecord(1, 22.0),), accepted_at=START)

    async def stations(self, site_id: str | None = None) -> Sequence[StationRecord]:
        """Lists none."""
        del site_id
        return ()

    async def verify(self, station_id: str, secret: bytes) -> bool:
        """Knows one secret."""
        del station_id
        return secret == SECRET

    async def accept(self, station_id: str, at: datetime, model: str) -> None:
        """Forgets it."""


class WallClock:
    """Real time."""

    def now(self) -> datetime:
        """The instant."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)


def event(seq_no: int) -> bytes:
    """A TransactionEvent of about 2 kB, as a three-phase station sends it every minute."""
    values = [
        {"value": 230.1, "measurand": name, "phase": phase, "unitOfMeasure": {"unit": unit}}
        for name, unit in (("Voltage", "V"), ("Current.Import", "A"), ("Power.Active.Import", "W"))
        for phase in ("L1", "L2", "L3")
    ]
    values.append({"value": 12345.6, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}})
    payload = {
        "eventType": "Updated",
        "timestamp": "2026-03-01T12:00:00Z",
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "3f1c9a52-7d5e-4c7e-9a0b-1f2e3d4c5b6a", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": values}] * 2,
    }
    return rpc.call(f"m{seq_no}", "TransactionEvent", payload)


def validation(seconds: float) -> float:
    """Parsing and validating alone [1/s]."""
    raw = event(1)
    count, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        for _ in range(500):
            violations("2.1", "TransactionEvent", rpc.parse(raw).payload)
        count += 500
    return count / spent


async def handling(seconds: float) -> float:
    """Parsing, validating, translating into an event and answering, without a socket [1/s]."""
    everything = Anyone()
    answers = 0

    async def transmit(data: bytes) -> None:
        nonlocal answers
        answers += data[1] == ord("3")

    record = await everything.station("CP1")
    assert record is not None
    talk = Talk(
        version="2.1",
        record=record,
        secure=False,
        link=Link("2.1", transmit, 5.0),
        intake=everything,
        registry=everything,
        clock=WallClock(),
        options=GatewayOptions(),
        accepted=True,
    )
    session = Session(talk, transmit, lambda _: None)
    raw = event(1)
    begin, count = time.process_time(), 0
    while (spent := time.process_time() - begin) < seconds:
        for _ in range(32):
            await session.on_message(raw)
        await session.settle()
        count += 32
    assert answers == count
    return count / spent


async def ordering(seconds: float) -> float:
    """Setpoints put on the wire and their answers checked, without a socket [1/s]."""
    everything = Anyone()

    async def transmit(data: bytes) -> None:
        link.answered(rpc.Frame(rpc.CALLRESULT, orjson.loads(data)[1], payload={"status": "Accepted"}))

    record = await everything.station("CP1")
    assert record is not None
    link = Link("2.1", transmit, 5.0)
    talk = Talk("2.1", record, True, link, everything, everything, WallClock(), GatewayOptions())  # noqa: FBT003
    steering = Steering(talk)
    begin, count = time.process_time(), 0
    while (spent := time.process_time() - begin) < seconds:
        order = PowerOrder(EvseKey("CP1", 1), count % 20, "3f1c9a52-7d5e-4c7e-9a0b-1f2e3d4c5b6a", 60.0)
        assert (await steering.set_power(order, record.evses[0], record)).accepted
        count += 1
    return count / spent


async def serve(seconds: float) -> None:
    """A gateway in a process of its own; prints its port, then its memory whenever it is asked on its input."""
    everything = Anyone()
    options = GatewayOptions(query_capabilities=False, messages_per_s=1e9, message_burst=10**9)
    gateway = OcppGateway(everything, everything, WallClock(), options)
    port = await gateway.listen("127.0.0.1", 0)
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        gc.collect()
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        print(len(gateway.connected()), memory_kib(), cpu.ru_utime + cpu.ru_stime, flush=True)
    await gateway.close(1.0)


def memory_kib() -> int:
    """Resident memory of this process [KiB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def ask(server: subprocess.Popen[str]) -> tuple[int, int, float]:
    """Connections, memory [KiB] and processor time [s] of the gateway's process."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    connections, memory, cpu = server.stdout.readline().split()
    return int(connections), int(memory), float(cpu)


async def over_sockets(server: subprocess.Popen[str], port: int, connections: int) -> None:
    """Idle connections, then round trips over some of them."""
    sockets = []
    _, before, _ = ask(server)
    for first in range(0, connections, 100):
        batch = range(first, min(first + 100, connections))
        sockets += await asyncio.gather(*(open_one(port, number) for number in batch))
    count, after, _ = ask(server)
    each = (after - before) / max(1, count)
    print(f"idle connections            {count:>9}   {each:6.1f} KiB each (goal: 9000 at <= 30)")
    _, _, busy_before = ask(server)
    begin, times = time.perf_counter(), []

    async def talk(number: int) -> None:
        socket = sockets[number]
        for seq_no in range(200):
            sent = time.perf_counter()
            await socket.send(event(seq_no), text=True)
            answer = orjson.loads(await socket.recv())
            assert answer[0] == 3
            times.append(time.perf_counter() - sent)

    await asyncio.gather(*(talk(number) for number in range(min(50, len(sockets)))))
    spent = time.perf_counter() - begin
    _, _, busy_after = ask(server)
    rate = len(times) / (busy_after - busy_before)
    p99 = statistics.quantiles(times, n=100)[98] * 1000.0
    print(
        f"round trips over sockets    {rate:>9.0f} /s and core of the gateway; "
        f"with the clients on this machine {len(times) / spent:.0f} /s, p99 {p99:.1f} ms"
    )
    await asyncio.gather(*(socket.close() for socket in sockets[:50]))
    for socket in sockets[50:]:
        socket.transport.abort()


async def open_one(port: int, number: int) -> object:
    """One station."""
    name = f"CP{number}"
    proof = base64.b64encode(name.encode() + b":" + SECRET).decode()
    headers = {"Authorization": f"Basic {proof}"}
    address = f"ws://127.0.0.1:{port}/ocpp/{name}"
    return await connect(
        address, additional_headers=headers, subprotocols=["ocpp2.1"], compression=None, ping_interval=None
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if settings.serve:
        uvloop.run(serve(300.0))
        return
    connections = min(settings.connections, hard - 200)
    print(f"TransactionEvent            {len(event(1)):>9} bytes")
    print(f"parsed and validated        {validation(settings.seconds):>9.0f} /s and core (goal: 20000)")
    print(f"handled and answered        {uvloop.run(handling(settings.seconds)):>9.0f} /s and core, without a socket")
    print(f"setpoints sent and accepted {uvloop.run(ordering(settings.seconds)):>9.0f} /s and core, without a socket")
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        uvloop.run(over_sockets(server, port, connections))
        assert server.stdin is not None
        server.stdin.close()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


if __name__ == "__main__":
    main()
