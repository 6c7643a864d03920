"""What the how-to says about bids is what the code does."""

import re
from pathlib import Path

from bothways.planning.reserve.parsing import PRODUCT_KEYS

HOW_TO = (Path(__file__).resolve().parents[4] / "docs" / "how-to" / "bid-reserve.md").read_text(encoding="utf-8")


def test_every_key_of_a_product_is_documented():
    assert tuple(re.findall(r"^\| `(\w+)` \|", HOW_TO, re.MULTILINE)) == PRODUCT_KEYS


def test_the_python_of_the_how_to_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", HOW_TO, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    exec(blocks[0], {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("optimal")
    assert lines[0].endswith("True")
    assert lines[-1] == "(4, 16) True"
