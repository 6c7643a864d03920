"""The examples of docs/reference/api.md, run as they are written against a live system."""

import asyncio
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
spec = importlib.util.spec_from_file_location("live_world", Path(__file__).with_name("live_world.py"))
live_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(live_world)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_examples_of_the_page_do_what_it_says(tmp_path):
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) >= 6
    async with live_world.world(tmp_path) as world:
        script = "set -euo pipefail\n" + "\n".join(f"{block}\necho; echo '== done'" for block in blocks)
        for written, here in (
            ("http://127.0.0.1:8080", world.url), ("four words make passphrases", live_world.PASSWORD),
            ('"name": "ada"', '"name": "admin"'),
        ):  # fmt: skip
            assert written in script, written
            script = script.replace(written, here)
        run = await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await asyncio.wait_for(run.communicate(), 60))[0].decode()
        assert run.returncode == 0, said
        assert said.count("== done") == len(blocks)
        assert '"soc":0.9' in said
        assert '"status":412' in said
        assert "idempotency-replayed: true" in said.lower()
        assert "event: site" in said
        assert (await (await world.client("admin")).get("/api/v1/needs/T-1")).json()["soc"] == 0.9
        stops = [row for row in await world.live.store.audit_log() if row.kind == "emergency stop"]
        assert len(stops) == 1


def test_every_address_that_the_page_names_exists_with_its_method():
    from bothways.adapters.http import application  # noqa: PLC0415

    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    known = {
        (method, re.sub(r"{[^}]+}", "*", route.path))
        for router in application.ROUTERS
        for route in router.routes
        for method in route.methods
    }
    named = re.findall(r"`(GET|PUT|POST|DELETE) (/[\w/-]+)`", page)
    assert len(named) > 80
    assert {
        (method, path) for method, path in named if (method, re.sub(r"/(ID|N)\b", "/*", path)) not in known
    } == set()
