"""Guests without an account: the page behind the code on a charging point, and the sheet with the code to be printed.

Plain forms without a script: the page loads within a second on any telephone, says how old it is, and shows itself
again every twenty seconds while nothing is being filled in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from bothways.adapters.http.guests import guest_address
from bothways.adapters.http.own import qr_svg
from bothways.adapters.http.session import COOKIE, access_of, service_of, source_of
from bothways.adapters.web.evses import ages, battery, flowing
from bothways.adapters.web.figures import clock, energy
from bothways.adapters.web.forms import from_here, page
from bothways.adapters.web.frame import in_words
from bothways.adapters.web.outlook import told
from bothways.adapters.web.sayings import spoken
from bothways.adapters.web.words import Words, words_for
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.departure import next_departure
from bothways.operations.desk.desk import NeedForm, Unknown
from bothways.operations.desk.driver.guests import Guests, GuestView, TooOften

router = APIRouter(include_in_schema=False, dependencies=[Depends(from_here)])
_CLAIM = "bothways_guest"
_KEPT_S = 7 * 86_400
_AGAIN_S = 20
Act = Callable[[Guests, str], Awaitable[object]]


@router.get("/guest/{secret}")
async def show(request: Request, secret: str) -> Response:
    """What the charging point does, and what the guest may do."""
    return await _show(request, secret)


@router.get("/guest/{secret}/change")
async def change(request: Request, secret: str) -> Response:
    """The form in which a guest says how much by when; it does not load itself again."""
    words = words_for(request)
    body = f"""<form method="post" action="/guest/{escape(secret)}/need">
<label for="wall">{escape(words("Ready by, time of day here"))}</label>
<input id="wall" name="wall" type="time" required value="17:00">
<label for="soc">{escape(words("Battery at least [%]"))}</label>
<input id="soc" name="soc" type="number" min="20" max="100" step="5" required value="80" inputmode="numeric">
<button>{escape(words("Save"))}</button></form>
<p><a href="/guest/{escape(secret)}">{escape(words("Back"))}</a></p>"""
    return page(words, words("How much by when"), body)


@router.post("/guest/{secret}/claim")
async def claim(request: Request, secret: str) -> Response:
    """Begins to look after the vehicle that is plugged in now."""
    words = words_for(request)
    try:
        made = await service_of(request, Guests).claim(secret, source_of(request))
    except BothwaysError as error:
        return await _show(request, secret, _sorry(error, words))
    answer = RedirectResponse(f"/guest/{secret}", 303)
    secure = bool(request.app.state.secure_cookies)
    answer.set_cookie(
        _CLAIM, made, httponly=True, samesite="strict", secure=secure, path=f"/guest/{secret}", max_age=_KEPT_S
    )
    return answer


@router.post("/guest/{secret}/need")
async def need(
    request: Request, secret: str, wall: Annotated[str, Form(max_length=8)] = "",
    soc: Annotated[str, Form(max_length=8)] = "",
) -> Response:  # fmt: skip
    """Says how much by when."""

    async def act(guests: Guests, mine: str) -> object:
        seen = await guests.look(secret, mine, source_of(request))
        share = float(soc) / 100.0 if soc.replace(".", "", 1).isdigit() else -1.0
        form = NeedForm(next_departure(seen.at, seen.tz, wall), soc=share)
        return await guests.need(secret, mine, form, source_of(request))

    return await _done(request, secret, act)


@router.post("/guest/{secret}/charge-now")
async def charge_now(request: Request, secret: str) -> Response:
    """Charges at full power."""
    return await _done(request, secret, lambda guests, mine: guests.charge_now(secret, mine, source_of(request)))


@router.post("/guest/{secret}/stop")
async def stop(request: Request, secret: str) -> Response:
    """Ends the transaction."""
    return await _done(request, secret, lambda guests, mine: guests.stop(secret, mine, source_of(request)))


@router.get("/guest-code/{station_id}/{evse_id}")
async def sheet(request: Request, station_id: str, evse_id: int) -> Response:
    """The code of a charging point, to be printed, for staff."""
    return await _sheet(request, station_id, evse_id, renew=False)


@router.post("/guest-code/{station_id}/{evse_id}")
async def renew(request: Request, station_id: str, evse_id: int) -> Response:
    """Gives the charging point a new code; the printed one is worth nothing from then on."""
    return await _sheet(request, station_id, evse_id, renew=True)


async def _done(request: Request, secret: str, act: Act) -> Response:
    words = words_for(request)
    try:
        await act(service_of(request, Guests), request.cookies.get(_CLAIM, ""))
    except BothwaysError as error:
        return await _show(request, secret, _sorry(error, words))
    return RedirectResponse(f"/guest/{secret}", 303)


async def _show(request: Request, secret: str, alert: str = "") -> Response:
    words = words_for(request)
    mine = request.cookies.get(_CLAIM, "")
    try:
        seen = await service_of(request, Guests).look(secret, mine, source_of(request))
    except Unknown:
        text = words("This code is not valid any more. Read the one on the charging point, or ask the front desk.")
        return page(words, words("Not found"), f"<p>{escape(text)}</p>", 404)
    except TooOften as error:
        text = words("This was asked too often. Try again in {seconds} s.", seconds=int(error.wait_s) + 1)
        return page(words, words("Not possible now"), f'<p role="alert">{escape(text)}</p>', 429)
    except BothwaysError as error:
        return page(words, words("Not possible now"), f'<p role="alert">{escape(str(error))}</p>', 503)
    alarm = f'<p role="alert">{escape(alert)}</p>' if alert else ""
    title = words("Charging point {name}", name=f"{seen.station_id} / {seen.evse_id}")
    answer = page(words, title, f"{alarm}{_state(seen, words)}{_actions(seen, secret, words)}")
    answer.headers["refresh"] = str(_AGAIN_S)
    return answer


def _state(seen: GuestView, words: Words) -> str:
    evse = seen.evse
    lines = []
    if evse.session is None:
        lines.append(words("Nobody is plugged in. Plug in, then load this page again."))
    else:
        lines.append(flowing(evse, words))
        lines.append(ages(evse, words, seen.at))
        lines.append(spoken(evse.doing, words))
    if seen.mine and evse.session is not None:
        lines.append(battery(evse.session, words))
        lines.append(words("Charged here: {energy}", energy=energy(evse.session.charged_kwh, words, 2)))
    if seen.need is not None:
        wish = words("{soc} % by {time}", soc=round((seen.need.soc or 0.0) * 100),
                     time=clock(seen.need.ready_by, seen.tz, words))  # fmt: skip
        going = words("Charging now, at full power, until {wish}.", wish=wish)
        lines.append(going if seen.need.charge_now else words("Ready with {wish}.", wish=wish))
        lines.extend(told(seen.outlook, seen.tz, words))
    shown = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    at = words("As of {time}.", time=f"{clock(seen.at, seen.tz, words)}")
    return f'<div role="status">{shown}</div><p class="small">{escape(at)}</p>'


def _actions(seen: GuestView, secret: str, words: Words) -> str:
    here = f"/guest/{escape(secret)}"
    if seen.free:
        text = words("Is this your vehicle? Then look after it here, without an account.")
        return f"<p>{escape(text)}</p>{_button(f'{here}/claim', words('This is my vehicle'))}"
    if not seen.mine:
        text = words("Somebody looks after this vehicle already.") if seen.evse.session is not None else ""
        return f'<p class="small">{escape(text)}</p>{_link(here, words("Load again"))}'
    return "".join((
        _button(f"{here}/charge-now", words("Charge now")),
        _button(f"{here}/stop", words("Leave now"), "other"),
        _link(f"{here}/change", words("Say how much by when")),
        _link(here, words("Load again")),
    ))  # fmt: skip


def _button(action: str, text: str, look: str = "") -> str:
    kind = f' class="{look}"' if look else ""
    return f'<form method="post" action="{action}"><button{kind}>{escape(text)}</button></form>'


def _link(address: str, text: str) -> str:
    return f'<p><a href="{address}">{escape(text)}</a></p>'


async def _sheet(request: Request, station_id: str, evse_id: int, *, renew: bool) -> Response:
    token = request.cookies.get(COOKIE, "")
    account = await access_of(request).actor(token) if token else None
    if account is None:
        return RedirectResponse("/sign-in", 303)
    words = words_for(request) if account.language == "en" else Words(account.language)
    try:
        link = await service_of(request, Guests).link(account.actor(), station_id, evse_id, renew=renew)
    except (Unknown, NotAllowed):
        text = words("There is nothing here, or it is not yours to see.")
        return page(words, words("Not found"), f"<p>{escape(text)}</p>", 404)
    address = guest_address(request, link)
    place = f"{escape(station_id)}/{evse_id}"
    body = (
        f"<p>{escape(words('Scan to see your charge, to charge now or to leave. No account, no app.'))}</p>"
        f'<div role="img" aria-label="{escape(words("QR code of the address below"))}">{qr_svg(address)}</div>'
        f"<p><code>{escape(address)}</code></p>"
        f'<p class="small">{escape(words("Print this page and put it on the charging point."))}</p>'
        + _button(f"/guest-code/{place}", words("Make a new code; the printed one becomes worthless"), "other")
    )
    return page(words, words("Charging point {name}", name=f"{station_id} / {evse_id}"), body, wide=True)


def _sorry(error: BothwaysError, words: Words) -> str:
    if isinstance(error, NotAllowed):
        return words("Somebody looks after this vehicle already.")
    return in_words(error, words)
