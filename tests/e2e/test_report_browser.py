"""The report in a real browser: every figure is drawn, nothing is fetched, nothing breaks."""

import os
import re
import shutil
import subprocess

import pytest
from report_cases import make_result

from bothways.studies.report.html import render

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.slow
def test_every_figure_is_drawn_without_a_request_or_an_error(tmp_path):
    if BROWSER is None:
        reason = "no Chromium on this machine; scripts/browser installs it where that is allowed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    page = tmp_path / "report.html"
    page.write_text(render(make_result(days=8, evses=2), rerun="bothways study x.toml", version="1"), encoding="utf-8")
    found = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--window-size=1200,900",
            "--virtual-time-budget=20000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    plots = re.findall(r'<div class="plot\b(?!-)[^>]*>', found.stdout)
    assert len(plots) >= 15
    waiting = [plot for plot in plots if 'data-drawn="yes"' not in plot]
    assert waiting == []
    assert found.stdout.count('class="main-svg"') >= len(plots)
    told = [line for line in found.stderr.splitlines() if "CONSOLE" in line]
    assert told == []
