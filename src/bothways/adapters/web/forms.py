"""Small pages with plain forms: what every one of them shares."""

from __future__ import annotations

import secrets
from html import escape
from importlib.resources import files

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse

from bothways.adapters.web.frame import style
from bothways.adapters.web.words import Words

PASSKEYS = "/sign-in/passkeys.js"


def from_here(request: Request) -> None:
    """Refuses forms that another site's page sends, so that nobody is signed in or out without wanting it."""
    came_from = request.headers.get("sec-fetch-site", "same-origin")
    if request.method == "POST" and came_from not in {"same-origin", "none"}:
        raise HTTPException(403, "This form was sent by another site's page.")


def forms_policy(nonce: str = "") -> str:
    """What a page of forms may load: styles; with a nonce, the one script that talks to the authenticator.

    >>> "script" in forms_policy(), "script-src 'nonce-abc'" in forms_policy("abc")
    (False, True)
    """
    script = f"script-src 'nonce-{nonce}'; connect-src 'self'; " if nonce else ""
    return (
        f"default-src 'none'; {script}style-src 'self' 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )


def page(
    words: Words, title: str, body: str, status: int = 200, *, passkeys: bool = False, wide: bool = False
) -> HTMLResponse:
    """A small page.

    Args:
        words: its language.
        title: heading.
        body: its content, escaped already.
        status: of the answer.
        passkeys: whether it loads the script for passkeys.
        wide: whether it is wider than one form.
    """
    nonce = secrets.token_urlsafe(18) if passkeys else ""
    script = f'<script src="{PASSKEYS}" nonce="{nonce}" defer></script>' if passkeys else ""
    html = (
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)} · bothways</title>'
        f"<style>{style('forms')}</style>{script}</head><body><main{' class=wide' if wide else ''}>"
        f'<p class="brand">bothways</p><h1>{escape(title)}</h1>{body}</main></body></html>'
    )
    headers = {"content-security-policy": forms_policy(nonce), "cache-control": "no-store"}
    return HTMLResponse(html, status, headers=headers)


def alert(text: str) -> str:
    """A sentence that screen readers say at once; nothing for no text."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def passkey_told(words: Words) -> str:
    """Where the script for passkeys says what went wrong."""
    failed = escape(words("That did not work. Try again, or use another way."))
    again = escape(words("This needs a sign-in within the last 15 minutes."))
    return f'<p role="alert" id="passkey-told" data-failed="{failed}" data-again="{again}" hidden></p>'


def script() -> str:
    """The script for passkeys."""
    return files("bothways.adapters.web").joinpath("scripts", "passkeys.js").read_text(encoding="utf-8")
