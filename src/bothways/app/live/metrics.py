"""Figures of the live system for Prometheus, read from its state when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from bothways.app.live.server import LiveServer


class LiveCollector(Collector):
    """Reads gateway, store and sites at the moment of a scrape; keeps nothing of its own."""

    def __init__(self, live: LiveServer) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        live = self._live
        connected = GaugeMetricFamily("bothways_stations_connected", "Stations with a live connection.")
        connected.add_metric([], len(live.gateway.connected()))
        yield connected
        messages = CounterMetricFamily("bothways_ocpp", "What the gateway counted.", labels=["what"])
        for name, count in sorted(live.gateway.counters.items()):
            messages.add_metric([str(name)], count)
        yield messages
        yield from self._store()
        yield from self._bus()
        yield from self._sites()

    def _store(self) -> Iterator[Metric]:
        state = self._live.store.state()
        for name, value, text in (
            ("jobs", state.jobs, "Events and changes made durable."),
            ("batches", state.batches, "Commits."),
            ("failures", state.failures, "Commits that failed."),
        ):
            yield CounterMetricFamily(f"bothways_store_{name}", text, value=value)
        yield GaugeMetricFamily("bothways_store_waiting", "Events that wait to be made durable.", value=state.waiting)

    def _bus(self) -> Iterator[Metric]:
        wide = self._live.wide
        if wide is None:
            return
        yield GaugeMetricFamily("bothways_bus_connected", "1 while the bus answers.", value=float(wide.bus.connected))
        leads = GaugeMetricFamily("bothways_site_led", "1 for each site that this process leads.", labels=["site"])
        for planner in wide.planners:
            leads.add_metric([planner.site_id], float(planner.lease.epoch() is not None))
        yield leads
        if wide.worker is None:
            return
        orders = CounterMetricFamily("bothways_bus_orders", "Orders that came over the bus.", labels=["what"])
        for name, count in sorted(wide.worker.counters.items()):
            orders.add_metric([name], count)
        yield orders
        waiting = wide.worker.waiting
        yield GaugeMetricFamily("bothways_bus_waiting", "Stored events that wait for the bus.", value=waiting)

    def _sites(self) -> Iterator[Metric]:
        rows = {
            "import_kw": "Import at the grid connection [kW].",
            "building_kw": "Load of the building without vehicles, as estimated [kW].",
            "vehicles_kw": "Power of all vehicles, positive charges [kW].",
            "limit_kw": "Import limit in force [kW].",
            "connected": "Vehicles plugged in.",
            "meter_age_s": "Age of the site meter's reading [s].",
            "stopped": "1 while an emergency stop is latched.",
            "following_plan": "1 while a plan is followed.",
        }
        families = {
            name: GaugeMetricFamily(f"bothways_site_{name}", text, labels=["site"]) for name, text in rows.items()
        }
        alarms = GaugeMetricFamily("bothways_site_alarms", "Alarms in force.", labels=["site", "kind"])
        for name, loop in self._live.loops.items():
            snapshot = loop.snapshot()
            counts: dict[str, int] = {}
            for alarm in snapshot.alarms:
                counts[alarm.kind] = counts.get(alarm.kind, 0) + 1
            for kind, count in sorted(counts.items()):
                alarms.add_metric([name, kind], count)
            if snapshot.image is None or snapshot.summary is None:
                continue
            summary, image = snapshot.summary, snapshot.image
            values = {
                "import_kw": summary.import_kw,
                "building_kw": summary.building_kw,
                "vehicles_kw": summary.vehicles_kw,
                "limit_kw": summary.limit_kw,
                "connected": float(summary.connected),
                "meter_age_s": image.meter_age_s,
                "stopped": float(image.latched),
                "following_plan": float(summary.following_plan),
            }
            for key, value in values.items():
                if math.isfinite(value):
                    families[key].add_metric([name], value)
        yield from families.values()
        yield alarms
        restarts = CounterMetricFamily("bothways_site_restarts", "Loops begun anew after a defect.", labels=["site"])
        for name, count in sorted(self._live.upkeep.restarts.items()):
            restarts.add_metric([name], count)
        yield restarts


def live_registry(live: LiveServer) -> CollectorRegistry:
    """A registry of its own for one live system."""
    registry = CollectorRegistry()
    registry.register(LiveCollector(live))
    return registry
