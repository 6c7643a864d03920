"""Standing wishes of who is plugged in, put in force when a stay begins and when a departure has long passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bothways.operations.documents import Documents
from bothways.operations.ports import Store
from bothways.operations.site.book import Outlet
from bothways.operations.site.settings import SiteSettings
from bothways.operations.stations import DriverNeed
from bothways.operations.wishes import KIND, chosen, due, subject, wish_from


async def with_wishes(
    outlets: Iterable[Outlet], needs: Mapping[str, DriverNeed], store: Store, site: SiteSettings, now: datetime
) -> Mapping[str, DriverNeed]:
    """The needs found, and those that standing wishes make where none is in force; the latter are durable.

    Args:
        outlets: whose vehicles to look after.
        needs: what the store knows of them, by holder.
        store: durable memory; one that keeps no wishes changes nothing.
        site: the site, for its time zone.
        now: the instant.

    Raises:
        StoreError: the store does not answer.
    """
    visits = [outlet.visit for outlet in outlets if outlet.visit is not None and outlet.visit.id_token]
    if not visits or not isinstance(store, Documents):
        return needs
    names = {subject(visit.id_token, where) for visit in visits for where in ("", site.site_id)}
    kept = {name: wish_from(name, body) for name, body in (await store.documents(KIND, names)).items()}
    made: dict[str, DriverNeed] = {}
    for visit in visits:
        wish = chosen(kept, visit.id_token, site.site_id)
        need = None if wish is None else due(needs.get(visit.id_token), wish, visit.since, now, site.tz)
        if need is not None:
            await store.need(need)
            made[need.holder] = need
    return {**needs, **made}
