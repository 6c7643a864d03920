"""Every screen has a picture on phone and desktop in the documentation; the tests make them."""

from pathlib import Path

from bothways.adapters.web.screens import PAGES

DOCS = Path(__file__).parents[4] / "docs"
PICTURES = {
    "/sites": "sites", "/power": "power", "/site/{site_id}": "site", "/site/{site_id}/island": "island",
    "/driver": "driver", "/stations": "stations", "/station/{station_id:path}": "station",
    "/installations": "installations", "/installation/{station_id:path}": "installation", "/audit": "audit",
    "/people": "people",
}  # fmt: skip
FORMS = (
    "sign-in", "invitation", "account", "second-factor", "recovery-codes", "guest", "guest-code", "island-paper",
    "not-found", "vehicles", "queue", "statement", "not-possible", "site-stopped", "site-override", "silent",
)  # fmt: skip
MOST_BYTES = 80_000


def test_every_screen_has_its_pictures_and_they_are_small_and_shown():
    assert set(PICTURES) == {page.path for page in PAGES}
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for name in (*PICTURES.values(), *FORMS):
        for kind in ("phone", "desktop"):
            picture = DOCS / "images" / f"{name}-{kind}.webp"
            assert 0 < picture.stat().st_size < MOST_BYTES, picture.name
            assert f"images/{picture.name})" in pages, f"no page shows {picture.name}"
