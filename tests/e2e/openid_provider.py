"""A small OpenID provider over real HTTP, for tests: signs whoever asks in as the person it is set to."""

import asyncio
import base64
import contextlib
import secrets
import socket
import time
from urllib.parse import parse_qs, unquote_plus

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET = "bothways-test", "a secret & more"


class Provider:
    """What it says of people can be changed while it runs; ``claims`` override what it would put into a token."""

    def __init__(self):
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
        self.signs_with = self.key
        self.person = {"sub": "ada-1", "email": "ada@example.org", "email_verified": True}
        self.claims, self.algorithm, self.codes, self.asked = {}, "ES256", {}, []
        self.issuer = self.says_issuer = ""

    def application(self):
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def described():
            return {
                "issuer": self.says_issuer or self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            }  # fmt: skip

        @app.get("/keys")
        async def keys():
            return {"keys": [self.key.as_dict(private=False)]}

        @app.get("/authorize")
        async def authorize(request: Request):
            asked = dict(request.query_params)
            self.asked.append(asked)
            assert asked["response_type"] == "code"
            assert asked["code_challenge_method"] == "S256"
            assert asked["client_id"] == CLIENT
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", 302)

        @app.post("/token")
        async def token(request: Request):
            form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            asked = self.codes.pop(form.get("code", ""), None)
            basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            fits = (
                asked is not None
                and [unquote_plus(part) for part in basic.split(":")] == [CLIENT, SECRET]
                and create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
                and form["redirect_uri"] == asked["redirect_uri"]
            )
            if not fits:
                return JSONResponse({"error": "invalid_grant"}, 400)
            now = int(time.time())
            told = {
                "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
                **self.person, **self.claims,
            }  # fmt: skip
            if self.algorithm == "none":
                parts = (b'{"alg":"none"}', str(told).replace("'", '"').replace("True", "true").encode(), b"")
                id_token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
            else:
                id_token = jwt.encode({"alg": "ES256", "kid": "one"}, told, self.signs_with)
            return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": id_token}

        return app


@contextlib.asynccontextmanager
async def running():
    """The provider on a free port."""
    provider = Provider()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    provider.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(provider.application(), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
