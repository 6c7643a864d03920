"""A process that appends until it is killed: prints every acknowledgement, and never anything that was not one.

Arguments: address of the store, number of the first round. Each station sends the events of one 1.6 and one 2.x
transaction per round; on standard input come the stations' positions, as after a reconnect.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta

from bothways.adapters.db.store import SqlStore, open_store
from bothways.operations.events import Sample, TransactionChanged

START = datetime(2026, 1, 1, tzinfo=UTC)
IMPORT = "Energy.Active.Import.Register"
UPDATES = 12


def tell(*words: object) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


async def drive(store: SqlStore, station: str, position: int) -> None:
    """Sends event after event; ``position`` counts them over all transactions of the station."""
    while True:
        number, step = divmod(position, UPDATES + 2)
        at = START + timedelta(seconds=position)
        kind = "started" if step == 0 else "ended" if step > UPDATES else "updated"
        event = TransactionChanged(
            station_id=station,
            at=at,
            received_at=at,
            kind=kind,
            transaction_id=f"{station}-{number}",
            evse_id=1,
            seq_no=step,
            samples=(Sample(at, IMPORT, 0.5 * position, "kWh"),),
        )
        await store.append(event)
        tell("event", station, position)
        if step == 0:
            old = TransactionChanged(
                station_id=station, at=at, received_at=at, kind="started", transaction_id="", evse_id=2,
                id_token="T", meter_start_kwh=float(position),
            )  # fmt: skip
            receipt = await store.append(old)
            tell("number", station, position, receipt.transaction_id)
        position += 1


async def main() -> None:
    url = sys.argv[1]
    positions = json.loads(sys.stdin.readline())
    store = await open_store(url)
    tell("ready")
    await asyncio.gather(*(drive(store, station, position) for station, position in positions.items()))


if __name__ == "__main__":
    asyncio.run(main())
