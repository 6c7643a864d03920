"""One's own account: password, second factor, passkeys, providers, sessions, language. Plain forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from bothways.adapters.http.own import qr_svg
from bothways.adapters.http.session import COOKIE, access_of, browser_of, csrf_token, open_session, service_of
from bothways.adapters.web.figures import instant
from bothways.adapters.web.forms import alert, page, passkey_told
from bothways.adapters.web.words import LANGUAGES, Words, words_for
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import Account, SignInAgain, SignInRefused
from bothways.operations.access.factors import SecondFactors, SetUp
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys

router = APIRouter(prefix="/account")
_NAMES = {"nl": "Nederlands"}
Text = Annotated[str, Form(max_length=1500)]
Act = Callable[[Account, str, Words], Awaitable[Response | None]]


@router.get("")
async def show(request: Request) -> Response:
    """The page."""
    found = await _mine(request)
    if found is None:
        return RedirectResponse("/sign-in", 303)
    account, token = found
    return await _page(request, account, token, _words(request, account))


async def _mine(request: Request) -> tuple[Account, str] | None:
    token = request.cookies.get(COOKIE, "")
    account = await access_of(request).actor(token, frozenset({"session"})) if token else None
    return None if account is None else (account, token)


def _words(request: Request, account: Account) -> Words:
    return words_for(request) if account.language == "en" else Words(account.language)


async def _do(request: Request, csrf: str, act: Act) -> Response:
    """Does what a form asks for, and shows the page again, or what went wrong on it."""
    found = await _mine(request)
    if found is None:
        return RedirectResponse("/sign-in", 303)
    account, token = found
    if csrf != csrf_token(token):
        raise HTTPException(403, "This form is not of this session. Load the page again.")
    words = _words(request, account)
    try:
        answer = await act(account, token, words)
    except SignInAgain:
        return _sign_in_again(words)
    except SignInRefused as refused:
        text = words("The password or the code is not right.")
        if refused.wait_s > 0.0:
            text += " " + words("Try again in {seconds} s.", seconds=int(refused.wait_s) + 1)
        return await _page(request, account, token, words, text, 401)
    except InputError as error:
        text = " ".join(f"{problem.allowed}. {problem.remedy}" for problem in error.problems)
        return await _page(request, account, token, words, text, 422)
    return answer or RedirectResponse("/account", 303)


def _sign_in_again(words: Words) -> Response:
    text = words("This needs a sign-in within the last 15 minutes.")
    body = f"""<p>{escape(text)}</p><form method="post" action="/sign-out">
<button>{escape(words("Sign in again"))}</button></form><p><a href="/account">{escape(words("Back"))}</a></p>"""
    return page(words, words("Sign in again"), body, 403)


@router.post("/password")
async def password(request: Request, csrf: Text = "", current: Text = "", new: Text = "") -> Response:
    """A new password; every other session ends."""

    async def act(_: Account, token: str, __: Words) -> Response:
        changed, fresh = await service_of(request, Own).change_password(token, current, new, browser_of(request))
        answer = RedirectResponse("/account", 303)
        open_session(request, answer, changed, fresh)
        return answer

    return await _do(request, csrf, act)


@router.post("/language")
async def language(request: Request, csrf: Text = "", chosen: Text = "") -> Response:
    """The language of the screens."""

    async def act(account: Account, _: str, __: Words) -> None:
        await service_of(request, Own).speak(account, chosen, LANGUAGES)

    return await _do(request, csrf, act)


@router.post("/sessions/end")
async def end_session(request: Request, csrf: Text = "", session_id: Text = "") -> Response:
    """Ends one session or token, or all others where none is named."""

    async def act(account: Account, token: str, _: Words) -> None:
        own = service_of(request, Own)
        if session_id:
            await own.end(account, session_id)
        else:
            await own.end_others(account, token)

    return await _do(request, csrf, act)


@router.post("/second-factor")
async def begin(request: Request, csrf: Text = "") -> Response:
    """Shows what the authenticator scans."""

    async def act(_: Account, token: str, words: Words) -> Response:
        return _set_up(words, await service_of(request, SecondFactors).begin(token), token)

    return await _do(request, csrf, act)


@router.post("/second-factor/confirm")
async def confirm(request: Request, csrf: Text = "", code: Text = "") -> Response:
    """Turns the second factor on, and shows the recovery codes."""

    async def act(account: Account, token: str, words: Words) -> Response:
        factors = service_of(request, SecondFactors)
        try:
            return _codes(words, await factors.confirm(token, code))
        except SignInRefused as refused:
            pending = factors.pending(account.account_id)
            if pending is None or refused.wait_s > 0.0:
                raise
            return _set_up(words, pending, token, words("The code is not right. Is the phone's clock right?"))

    return await _do(request, csrf, act)


@router.post("/second-factor/off")
async def turn_off(request: Request, csrf: Text = "") -> Response:
    """Turns the second factor off."""

    async def act(_: Account, token: str, __: Words) -> None:
        await service_of(request, SecondFactors).turn_off(token)

    return await _do(request, csrf, act)


@router.post("/recovery-codes")
async def renew(request: Request, csrf: Text = "") -> Response:
    """New recovery codes."""

    async def act(_: Account, token: str, words: Words) -> Response:
        return _codes(words, await service_of(request, SecondFactors).renew_codes(token))

    return await _do(request, csrf, act)


@router.post("/passkeys/remove")
async def remove_passkey(request: Request, csrf: Text = "", credential_id: Text = "") -> Response:
    """Removes a passkey."""

    async def act(_: Account, token: str, __: Words) -> None:
        await service_of(request, Passkeys).remove(token, credential_id)

    return await _do(request, csrf, act)


@router.post("/identities/remove")
async def unlink(request: Request, csrf: Text = "", issuer: Text = "") -> Response:
    """Ends the link with a provider."""

    async def act(_: Account, token: str, __: Words) -> None:
        await service_of(request, Federation).unlink(token, issuer)

    return await _do(request, csrf, act)


def _set_up(words: Words, made: SetUp, token: str, told: str = "") -> Response:
    body = f"""{alert(told)}<p>{escape(words("Scan this with an authenticator app, or type the key into it."))}</p>
<div role="img" aria-label="{escape(words("QR code of the key below"))}">{qr_svg(made.address)}</div>
<p><code>{escape(made.secret)}</code></p>
<form method="post" action="/account/second-factor/confirm">{_csrf(token)}
<label for="code">{escape(words("The six digits that it shows now"))}</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="12" autofocus>
<button>{escape(words("Turn on"))}</button></form><p><a href="/account">{escape(words("Back"))}</a></p>"""
    return page(words, words("Second factor"), body, 401 if told else 200)


def _codes(words: Words, codes: list[str]) -> Response:
    listed = "".join(f"<li><code>{escape(code)}</code></li>" for code in codes)
    text = words("Each of these signs you in once without your phone. Keep them on paper: they are not shown again.")
    body = f'<p>{escape(text)}</p><ul class="codes">{listed}</ul><p><a href="/account">{escape(words("Done"))}</a></p>'
    return page(words, words("Recovery codes"), body)


def _csrf(token: str) -> str:
    return f'<input type="hidden" name="csrf" value="{csrf_token(token)}">'


def _button(words: str, action: str, token: str, field: str = "", label: str = "") -> str:
    said = f' aria-label="{escape(label)}"' if label else ""
    return (
        f'<form method="post" action="/account/{action}">{_csrf(token)}{field}'
        f'<button class="other"{said}>{escape(words)}</button></form>'
    )


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


async def _page(
    request: Request, account: Account, token: str, words: Words, told: str = "", status: int = 200
) -> Response:
    parts = [
        alert(told), f"<p>{escape(account.name)}</p>", f'<p><a href="/">{escape(words("Back to my page"))}</a></p>',
        _password_part(words, account, token), await _factor_part(request, words, account, token),
        await _passkey_part(request, words, account, token), await _provider_part(request, words, account, token),
        await _sessions_part(request, words, account, token), _language_part(words, account, token),
    ]  # fmt: skip
    return page(words, words("My account"), "".join(parts), status, passkeys=True, wide=True)


def _password_part(words: Words, account: Account, token: str) -> str:
    current = ""
    if account.password_hash:
        current = f"""<label for="current">{escape(words("Password now"))}</label>
<input id="current" name="current" type="password" autocomplete="current-password" required maxlength="256">"""
    return f"""<section><h2>{escape(words("Password"))}</h2>
<form method="post" action="/account/password">{_csrf(token)}
<input type="text" name="name" autocomplete="username" value="{escape(account.name)}" hidden>{current}
<label for="new">{escape(words("A password of at least 12 characters; several words are good"))}</label>
<input id="new" name="new" type="password" autocomplete="new-password" required minlength="12" maxlength="256">
<p class="small">{escape(words("Every other session and every token of yours ends with it."))}</p>
<button>{escape(words("Set the password"))}</button></form></section>"""


async def _factor_part(request: Request, words: Words, account: Account, token: str) -> str:
    head = f"<section><h2>{escape(words('Second factor'))}</h2>"
    if not account.totp_secret:
        text = words("After the password, a code of your phone is asked for.")
        return f"{head}<p>{escape(text)}</p>{_button(words('Set up'), 'second-factor', token)}</section>"
    left = await service_of(request, SecondFactors).codes_left(account.account_id)
    text = words("It is on. {count} recovery codes are left.", count=left)
    return (
        f"{head}<p>{escape(text)}</p>{_button(words('New recovery codes'), 'recovery-codes', token)}"
        f"{_button(words('Turn off'), 'second-factor/off', token)}</section>"
    )


async def _passkey_part(request: Request, words: Words, account: Account, token: str) -> str:
    rows = ""
    for one in await service_of(request, Passkeys).of(account.account_id):
        field, label = _hidden("credential_id", one.credential_id), words("Remove {name}", name=one.label)
        button = _button(words("Remove"), "passkeys/remove", token, field, label)
        rows += _row(one.label, _seen(words, one.added_at, one.used_at), button)
    text = words("A passkey on your phone, computer or key signs you in without a password.")
    return f"""<section><h2>{escape(words("Passkeys"))}</h2><p>{escape(text)}</p><ul>{rows}</ul>{passkey_told(words)}
<label for="passkey-label">{escape(words("What to call it"))}</label><input id="passkey-label" maxlength="64">
<button type="button" class="other" data-passkey="add" data-csrf="{csrf_token(token)}" hidden>
{escape(words("Add a passkey"))}</button></section>"""


async def _provider_part(request: Request, words: Words, account: Account, token: str) -> str:
    federation = service_of(request, Federation)
    rows, links = "", ""
    for name, label in federation.ways():
        text = escape(words("Link {provider}", provider=label))
        links += f'<p><a class="way" href="/sign-in/openid/{escape(name)}?link=1">{text}</a></p>'
    for one in await federation.of(account.account_id):
        field, label = _hidden("issuer", one.issuer), words("Unlink {name}", name=one.issuer)
        rows += _row(one.issuer, one.email, _button(words("Unlink"), "identities/remove", token, field, label))
    if not links and not rows:
        return ""
    return f"<section><h2>{escape(words('Sign-in at providers'))}</h2><ul>{rows}</ul>{links}</section>"


def _row(name: str, small: str, button: str) -> str:
    return f"<li><span>{escape(name)}<br><small>{escape(small)}</small></span>{button}</li>"


async def _sessions_part(request: Request, words: Words, account: Account, token: str) -> str:
    rows = []
    for one in await service_of(request, Own).sessions(account, token):
        kind = words("token of a program") if one.purpose == "token" else words("browser")
        here = words("this one") if one.current else words("until {at}", at=_at(one.expires_at, words))
        end = "" if one.current else _button(
            words("End"), "sessions/end", token, _hidden("session_id", one.session_id),
            words("End {name}", name=one.label),
        )  # fmt: skip
        rows.append(
            _row(one.label or kind, f"{kind}, {words('since {at}', at=_at(one.opened_at, words))}, {here}", end)
        )
    others = _button(words("End all others"), "sessions/end", token) if len(rows) > 1 else ""
    return f"<section><h2>{escape(words('Where I am signed in'))}</h2><ul>{''.join(rows)}</ul>{others}</section>"


def _language_part(words: Words, account: Account, token: str) -> str:
    options = "".join(
        f'<option value="{code}"{" selected" if code == account.language else ""}>'
        f"{escape(_named(code, words))}</option>"
        for code in LANGUAGES
    )
    return f"""<section><h2>{escape(words("Language"))}</h2>
<form method="post" action="/account/language">{_csrf(token)}
<label for="chosen">{escape(words("Language of the screens"))}</label>
<select id="chosen" name="chosen">{options}</select>
<button class="other">{escape(words("Save"))}</button></form></section>"""


def _named(code: str, words: Words) -> str:
    """A language by its own name; English is what an account has that asks for none, so the browser's goes first."""
    return words("English, or what the browser asks for") if code == "en" else _NAMES[code]


def _seen(words: Words, added_at: datetime, used_at: datetime | None) -> str:
    used = words("not used yet") if used_at is None else words("last used {at}", at=_at(used_at, words))
    return f"{words('since {at}', at=_at(added_at, words))}, {used}"


def _at(at: datetime, words: Words) -> str:
    return f"{instant(at, 'UTC', words, seconds=False)} UTC"
