"""The report is one safe, complete and accessible page."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from report_cases import make_case, make_inputs, make_result

from bothways.domain.errors import DomainError
from bothways.studies.inputs import Assumption, Limits
from bothways.studies.report.html import render
from bothways.studies.report.palette import colour
from bothways.studies.result import StudyResult

VOID = {"meta", "br", "hr", "img", "input", "link"}
EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>@ink@%{x}"


class Page(HTMLParser):
    """What the tests ask of a page: elements, attributes, text, scripts."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.scripts, self.texts, self.problems = [], [], [], [], []
        self.by_id = {}
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.elements.append((tag, found))
        if "id" in found:
            if found["id"] in self.by_id:
                self.problems.append(f"id {found['id']} twice")
            self.by_id[found["id"]] = [tag, ""]
        if tag == "script":
            self.scripts.append([found, ""])
        if tag not in VOID:
            self.stack.append((tag, found.get("id")))

    def handle_endtag(self, tag):
        if not self.stack or self.stack[-1][0] != tag:
            self.problems.append(f"</{tag}> closes {self.stack[-1:]}")
            return
        self.stack.pop()

    def handle_data(self, data):
        if self.stack and self.stack[-1][0] == "script":
            self.scripts[-1][1] += data
            return
        for _, name in self.stack:
            if name is not None:
                self.by_id[name][1] += data
        if self.stack and self.stack[-1][0] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def rendered(result):
    return render(result, rerun="bothways study garage.toml --seed 1", version="1.2.3")


@pytest.fixture(scope="module")
def result():
    return make_result()


@pytest.fixture(scope="module")
def source(result):
    return rendered(result)


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_the_markup_is_whole(page):
    assert page.problems == []
    assert page.stack == []


def test_it_is_one_file_that_asks_for_nothing(source, page):
    assert source.count("plotly.js v") == 1
    for tag, attrs in page.elements:
        assert tag not in {"link", "iframe", "img", "object", "embed", "form", "base"}
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        if "href" in attrs:
            assert attrs["href"][1:] in page.by_id, attrs
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_scripts_may_run_and_nothing_may_be_fetched(page):
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    run = [text for attrs, text in page.scripts if "type" not in attrs]
    assert len(run) == 2
    for text in run:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_figures_are_data_with_named_colours(page):
    data = [(attrs["id"], text) for attrs, text in page.scripts if attrs.get("type") == "application/json"]
    assert len(data) == len([a for a in page.all("div") if a.get("class") == "plot"]) >= 15
    for name, text in data:
        spec = json.loads(text, parse_constant=lambda word, name=name: pytest.fail(f"{word} in {name}"))
        assert spec["data"], name
        assert not {"<", ">", "&"} & set(text), name
        assert not re.search(r"#fe[0-9a-f]{2}01", text), name
    assert colour("smart").startswith("#fe")


def test_headings_descend_one_level_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_landmarks_captions_and_text_alternatives(source, page):
    for tag in ("header", "nav", "main", "footer"):
        assert len(page.all(tag)) == 1, tag
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table")) >= 10
    assert all("scope" in attrs for attrs in page.all("th"))
    for attrs in page.all("div"):
        if attrs.get("class") == "plot":
            assert attrs["role"] == "img"
            assert len(page.by_id[attrs["aria-labelledby"]][1]) > 15
            assert len(page.by_id[attrs["aria-describedby"]][1]) > 40
        if attrs.get("role") == "region":
            assert page.by_id[attrs["aria-labelledby"]][1]
    assert "<noscript>" in source


def test_numbers_are_rounded_and_separated(page):
    assert not re.search(r"\d\.\d{4,}", page.text)
    without_years = re.sub(r"\b(19|20)\d\d\b", "", page.text)
    assert not re.search(r"(?<![\d,.#-])\d{5,}", without_years)
    assert not re.search(r"\b(nan|inf|None|null|undefined)\b", page.text)


def cells(source, caption, row):
    """Texts of the cells of a row of the first table called ``caption``."""
    table = re.search(rf"{re.escape(caption)}</b>.*?</table>", source, re.DOTALL).group(0)
    line = re.search(rf'<th scope="row">{re.escape(row)}</th>(.*?)</tr>', table, re.DOTALL).group(1)
    return re.findall(r"<td[^>]*>(.*?)</td>", line)


def value(text):
    return float(text.replace(",", "").replace("−", "-"))


def test_the_money_table_adds_up(source, result):
    caption, found = "Bill, wear and energy by strategy", np.zeros(7)
    for row in ("Energy", "Demand, by time of use", "Demand, at any time", "Fixed charges"):
        found += [value(text) for text in cells(source, caption, row)]
    bill = [value(text) for text in cells(source, caption, "Bill")]
    assert found == pytest.approx(bill, abs=0.021)
    total = [value(text) for text in cells(source, caption, "Total")]
    assert total[:5] == pytest.approx([outcome.cost for outcome in result.cases[0].outcomes], abs=0.0051)
    assert total[5] == pytest.approx(total[1] - total[3], abs=0.011)
    assert total[6] == pytest.approx(total[2] - total[4], abs=0.011)


def test_what_is_absent_is_said_in_words(result):
    bare = make_result(signal=False, bare=True, cases=lambda grid: (make_case(grid, "Home", demand=False),))
    text = Page(rendered(bare)).text
    for words in (
        "no marginal CO₂ signal given", "no average CO₂ figure given", "none in this tariff", "No prices of equipment",
        "export to the grid is not allowed", "No limit on import was given", "No CO₂ panel",
    ):  # fmt: skip
        assert words in text, words
    smooth = replace(
        result.cases[0], outcomes=tuple(replace(o, unserved=(), unserved_kwh=0.0) for o in result.cases[0].outcomes)
    )
    told = Page(rendered(replace(result, cases=(smooth,)))).text
    assert "Nobody: under every strategy" in told


def test_everything_the_reader_needs_is_there(page):
    for words in (
        "What is charging in both directions worth here?", "a year against uncontrolled charging", "per charger",
        "Cost of not knowing the future", "Energy that drivers missed", "bothways study garage.toml --seed 1",
        "version 1.2.3", "seed 1", "usable capacity", "a common battery of the year", "stays of zero length",
        "stays that overlap on one station", "Net present value", "It leaves out", "one plan was late",
        "Sessions were recorded without", "CO₂, marginal", "CO₂, average",
    ):  # fmt: skip
        assert words.lower() in page.text.lower(), words


def evil_result():
    """A result in which every text that a user writes is an attack."""
    clean = make_result(name=EVIL, days=3, evses=3)
    inputs = replace(
        clean.inputs,
        summary=EVIL,
        currency="U<b>$",
        scenario_path=EVIL,
        assumptions=(Assumption(EVIL, EVIL, EVIL),),
        stays=replace(
            clean.inputs.stays,
            evse_ids=tuple(f"{EVIL}{k}" for k in range(3)),
            session_id=tuple(f"{EVIL}{k}" for k in range(clean.inputs.stays.size)),
        ),
        quality=replace(
            clean.inputs.quality,
            source=EVIL,
            counts=tuple(replace(item, name=EVIL, treatment=EVIL) for item in clean.inputs.quality.counts),
        ),
    )
    cases = []
    for case in clean.cases:
        outcomes = tuple(
            replace(
                outcome,
                label=EVIL,
                unserved=tuple(replace(item, session_id=EVIL, reason=EVIL) for item in outcome.unserved),
                run=replace(outcome.run, planning=replace(outcome.run.planning, messages=(EVIL,))),
            )
            for outcome in case.outcomes
        )
        rows = tuple(replace(row, name=EVIL, low=EVIL, high=EVIL) for row in case.sensitivity.rows)
        swing = replace(case.sensitivity, measure=EVIL, method=EVIL, rows=rows)
        bought = tuple(replace(item, lines=((EVIL, 1.0),)) for item in case.investments)
        named = replace(case.case, name=EVIL, description=EVIL)
        cases.append(replace(case, case=named, outcomes=outcomes, sensitivity=swing, investments=bought))
    return StudyResult(inputs, tuple(cases), (EVIL,))


def test_no_text_of_a_user_becomes_markup():
    evil = evil_result()
    page = Page(render(evil, rerun=EVIL, version=EVIL))
    assert page.problems == []
    assert len([attrs for attrs, _ in page.scripts if "type" not in attrs]) == 2
    tags = {tag for tag, _ in page.elements}
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert "<script>alert(1)</script>" in page.text
    for attrs, text in page.scripts:
        if attrs.get("type") == "application/json":
            assert "<" not in text
            strings = json.dumps(json.loads(text), ensure_ascii=False)
            assert "<script" not in strings
            assert "<img" not in strings


def test_a_study_without_stays_still_reports():
    clean = make_inputs(days=2, evses=2)
    empty = {name: column[:0] for name, column in clean.stays.__dict__.items() if name not in {"evse_ids", "part_load"}}
    inputs = {"stays": replace(clean.stays, **empty), "vehicle_id": ()}
    for name in ("arrival_s", "departure_s", "declared_s"):
        inputs[name] = getattr(clean, name)[:0]
    page = Page(rendered(make_result(days=2, evses=2, bare=True, **inputs)))
    assert page.problems == []
    assert "changes next to nothing" in page.text


def test_one_vehicle_is_not_divided_by_itself():
    inputs = make_inputs(days=2, evses=1)
    text = Page(rendered(make_result(days=2, evses=1, vehicle_id=("car",) * inputs.stays.size))).text
    assert "per vehicle)" not in text
    assert "The week in the batteries" in text


def test_a_battery_sun_limits_and_export_are_told():
    limits = Limits(import_limit_kw=120.0, import_hard_limit_kw=5000.0, export_limit_kw=15.0)
    whole = make_result(
        days=9,
        evses=4,
        cases=lambda grid: (make_case(grid, "All", office_kw=100.0, solar_kw=80.0, battery=True, limits=limits),),
    )
    text = Page(rendered(whole)).text
    for words in (
        "Contracted import 120 kW", "safety limit 5,000 kW", "export up to 15 kW", "Solar production", "Export price",
        "Stationary battery", "The safety limit of 5,000 kW lies far above",
    ):  # fmt: skip
        assert words in text, words


def test_a_month_of_52_chargers_fits_in_eight_megabytes():
    big = make_result(days=31, evses=52, cases=lambda grid: (make_case(grid, "Garage"), make_case(grid, "Office")))
    assert len(rendered(big).encode()) < 8_000_000


def test_a_study_without_cases_is_refused(result):
    with pytest.raises(DomainError, match="at least one case"):
        rendered(replace(result, cases=()))
    with pytest.raises(DomainError, match="at least one strategy"):
        rendered(replace(result, cases=(replace(result.cases[0], outcomes=()),)))
