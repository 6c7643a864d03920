"""Settings that every test shares."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "project", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

BENCH_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "bench"


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """Folder of data that tests may read but the project does not ship.

    Skips where a user's machine does not have it; in CI a missing folder is a failure.
    """
    if BENCH_DATA.is_dir():
        return BENCH_DATA
    reason = f"bench data is not on this machine ({BENCH_DATA.name}/ beside the checkout); it is not shipped"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
