"""Recording a site's grid connection: until it is complete and valid, nothing is discharged and nothing exported."""

from __future__ import annotations

from datetime import datetime

from bothways.domain.errors import Problems
from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.desk import Desk
from bothways.operations.stations import GridPermission

_MOST_KW = 100_000.0
_MOST_CERTIFICATES = 200
_LONGEST = 200


async def record(desk: Desk, actor: Actor, permission: GridPermission) -> None:
    """Replaces what is recorded of a site's connection; a running site knows it within a minute.

    Raises:
        Unknown: no such site, or not for this actor.
        NotAllowed: the actor may not record it.
        InputError: with every problem of the record.
    """
    desk.control(actor, permission.site_id, Action.SITE_PERMISSION)
    now = desk.now()
    check(permission, now)
    await desk.parts.store.permit(permission, now)
    await desk.record("grid permission by", permission.site_id, {"who": actor.name})


def check(permission: GridPermission, now: datetime) -> None:
    """Checks a record whole; what is left empty counts as missing, and nothing is permitted then.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at="grid permission")
    for name, text in (("agreement", permission.agreement), ("protection", permission.protection)):
        if len(text) > _LONGEST or text != text.strip():
            allowed = f"at most {_LONGEST} characters, no spaces at the ends"
            problems.add(name, text[:80], allowed, "Give the document's number.")
    if not 0.0 <= permission.export_limit_kw <= _MOST_KW:  # not a number fails as well
        problems.add(
            "export_limit_kw", permission.export_limit_kw, "0 to 100 000 kW", "Give the power in kW, not in W."
        )
    if len(permission.certificates) > _MOST_CERTIFICATES:
        allowed = f"at most {_MOST_CERTIFICATES} certificates"
        problems.add("certificates", len(permission.certificates), allowed, "Give those of this site alone.")
    for number, (name, ends) in enumerate(permission.certificates[:_MOST_CERTIFICATES]):
        where = f"certificates[{number}]"
        if not name.strip() or len(name) > _LONGEST:
            problems.add(f"{where}.name", name[:80], f"1 to {_LONGEST} characters", "Name the charger or vehicle.")
        if ends <= now:
            problems.add(
                f"{where}.valid_until", ends.isoformat(), "a certificate that is still valid", "Renew it first."
            )
    problems.raise_if_any()
