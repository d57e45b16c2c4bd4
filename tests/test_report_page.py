"""The page of a store: what it says is what the store holds, and whatever it holds stays text."""

import base64
import hashlib
import itertools
import json
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import page_store
import pytest
from page_store import EPSS, EVIL, EVIL_REASON, KAPPAS, SEEDS, config, make, missed, planted

from bilevel_core import report
from bilevel_core.errors import InputError
from bilevel_core.report.entries import entries
from bilevel_core.report.groups import split
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.page import inventory, misses, summary, trajectories
from bilevel_core.report.page.distributions import profiles, scores
from bilevel_core.report.page.targets import comparisons
from bilevel_core.sweep import store

VOID = {"meta", "link", "br", "input", "path", "circle", "polyline", "hr", "img"}


class Page(HTMLParser):
    """Elements with their attributes, ancestors and own text, in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        element = {
            "tag": tag,
            "inside": [e["tag"] for e in self._open],
            "text": "",
            **dict(attributes),
        }
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, *tags):
        return [element for element in self.found if element["tag"] in tags]

    def data(self):
        return json.loads(next(e for e in self.found if e.get("id") == "report-data")["text"])


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return make(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def text(directory, tmp_path_factory):
    path = report.write_page(directory, tmp_path_factory.mktemp("page") / "report.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_same_store_gives_the_same_bytes(directory, text, tmp_path):
    again = report.write_page(directory, tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == text


def test_nothing_is_asked_for_outside(page):
    addresses = [
        e[name] for e in page.found for name in ("src", "href", "xlink:href") if e.get(name)
    ]
    assert addresses
    assert {address.split(":")[0][0] for address in addresses} <= {"#", "d"}
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not page.all("link", "iframe", "object", "embed", "img")


def test_the_policy_allows_its_own_script_and_no_other(page):
    (policy,) = [e["content"] for e in page.all("meta") if e.get("http-equiv")]
    (script,) = [e["text"] for e in page.all("script") if e.get("type") is None]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_foreign_text_stays_text(text, page):
    assert "<script>document" not in text
    assert "</script><script>" not in text
    assert "<b>bold</b>" not in text
    assert len(page.all("script")) == 2
    assert "planted & <b>bold</b>" in page.all("h1")[0]["text"]
    assert any(EVIL_REASON in cell["text"] for cell in page.all("td"))
    assert any(EVIL in cell["text"] for cell in page.all("td", "caption"))
    assert not [e for e in page.found if any(name.startswith("on") for name in e)]


def test_data_of_the_pictures_are_the_means_of_the_store(directory, page):
    (group,) = [g for g in page.data()["groups"] if "average" in g["heading"]]
    names = [key for key, _ in group["quantities"]]
    solvers = [solver["full"] for solver in group["solvers"]]
    assert solvers == ["ba", "aid_bio", EVIL]
    frame = store.frame(directory).query("criterion == 'average' and status == 'ok'")
    for solver, kappa, eps, status, instances, _, means in group["cells"]:
        own = frame[(frame["solver"] == solvers[solver]) & (frame["kappa"] == kappa)]
        counts = own.loc[own["eps"] == eps, "gc_g"]
        complete = len(counts) == len(SEEDS)
        assert (status == "ok", instances) == (complete, len(SEEDS))
        if complete:
            expected = np.exp(np.log(counts).mean())
            assert means[names.index("gc_g")][0] == pytest.approx(expected, rel=1e-6)


def test_the_summary_counts_the_verdicts_of_the_tables(directory, page):
    expected = Counter(
        entry.verdict
        for group in split(store.frame(directory))
        for entry in entries(group)
        if entry.quantity in COUNTED
    )
    (table,) = [e for e in page.all("table") if "verdicts" in e.get("class", "")]
    (words,) = [
        e
        for e in page.all("thead")
        if "Problem and policy" in e["text"] and "Criterion" in e["text"]
    ]
    (totals,) = page.all("tfoot")
    numbers = [int(number) for number in re.findall(r"\d+", totals["text"])]
    shown = [word for word in summary.WORDS if re.search(rf"^{word}$", words["text"], re.MULTILINE)]
    assert dict(zip(shown, numbers, strict=True)) == dict(expected)
    assert "hard (curvature 3), policy sharp" in table["text"]


def test_the_summary_names_no_verdict_above_a_bound_and_counts_what_reads_above(directory, page):
    above = sum(
        entry.verdict == "not asymptotic" and entry.fit.kappa.value > entry.bound.kappa + 0.05
        for group in split(store.frame(directory))
        for entry in entries(group)
        if entry.quantity in COUNTED and entry.bound and entry.fit and entry.fit.kappa
    )
    (text,) = [p["text"] for p in page.all("p") if "such comparisons" in p["text"]]
    assert "No verdict is exceeds bound." in text
    assert ("read above their bound for now" in text) == bool(above)


def test_every_run_that_missed_is_named_with_its_reason(page):
    (section,) = [e for e in page.all("section") if e.get("id") == "missed"]
    assert "15 censored" in section["text"]
    assert "3 failed" in section["text"]
    assert "max_outer = 10 reached" in section["text"]


def test_the_page_can_be_read_by_ear(page):
    (html,) = page.all("html")
    assert html["lang"] == "en"
    assert page.all("title")[0]["text"]
    assert len(page.all("main")) == len(page.all("h1")) == 1
    levels = [int(e["tag"][1]) for e in page.all("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    pictures = [e for e in page.all("svg") if "panel" in e["class"]]
    assert len(pictures) > 20
    assert all(e["role"] == "img" and re.search(r"\d", e["aria-label"]) for e in pictures)
    assert all("table" in e["inside"] and e["scope"] for e in page.all("th"))
    captions = [e for e in page.all("caption") if e["text"].strip()]
    assert len(captions) == len(page.all("table"))
    assert all(e.get("aria-label") for e in page.all("nav"))
    ids = [e["id"] for e in page.found if "id" in e]
    assert len(ids) == len(set(ids))
    targets = {e["href"][1:] for e in page.all("a") if e["href"].startswith("#")}
    assert targets <= set(ids)


def test_every_figure_and_table_says_how_to_make_it_again(page):
    command = "bilevel-bench sweep planted-b-bold-b.toml --out planted-b-bold-b && "
    figures = page.all("figure")
    assert len(figures) > 10
    assert all(command in e["text"] for e in figures)


def test_without_a_manifest_the_page_says_so(tmp_path):
    found = [planted(config(kappa=kappa, seed=s)) for kappa in KAPPAS for s in (0, 1)]
    directory = make(tmp_path / "store", found, manifest=False)
    page = report.write_page(directory, tmp_path / "p.html").read_text(encoding="utf-8")
    assert "does not say which sweep made it" in page
    assert "None: every run reached every ε" in page


def test_runs_that_no_grid_asks_for_are_marked(tmp_path):
    directory = make(tmp_path / "store", [planted(config(policy="theory"))])
    page = report.write_page(directory, tmp_path / "p.html").read_text(encoding="utf-8")
    assert "No grid of the specification at the end of this page asks for these runs" in page


def test_a_store_of_damaged_runs_only_is_refused(tmp_path):
    make(tmp_path, [planted(config())])
    (path,) = store.paths(tmp_path)
    path.write_text("{")
    with pytest.raises(InputError, match="no intact run"):
        report.write_page(tmp_path, tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


def test_damaged_files_and_outdated_runs_are_named(tmp_path):
    make(tmp_path, [planted(config()), planted(config(seed=1))])
    damaged, _ = store.paths(tmp_path)
    damaged.write_text("{")
    found = inventory.read(tmp_path)
    assert [each.path for each in found.damaged] == [damaged]
    assert [run.currency for run in found.runs] == ["outdated"]
    page = report.write_page(tmp_path, tmp_path / "p.html").read_text(encoding="utf-8")
    assert damaged.relative_to(tmp_path).as_posix() in page
    assert "1 of 1 runs were computed by other code" in page


# What missed


def test_instances_and_levels_that_missed_alike_share_a_line(tmp_path):
    make(tmp_path, [missed(config(seed=s)) for s in SEEDS])
    (ending,) = misses.endings(inventory.read(tmp_path).runs)
    assert (ending.status, ending.solver, ending.targets) == ("censored", "aid_bio", 15)
    (line,) = ending.lines
    assert (line.kappa, line.eps, line.seeds) == (4.0, EPSS, SEEDS)


def test_the_worst_endings_come_first(tmp_path):
    statuses = ("infeasible", "censored", "failed", "diverged")
    make(tmp_path, [missed(config(seed=s), status) for s, status in enumerate(statuses)])
    found = misses.endings(inventory.read(tmp_path).runs)
    assert [e.status for e in found] == ["failed", "diverged", "censored", "infeasible"]


def test_what_was_predicted_is_kept(tmp_path):
    make(tmp_path, [missed(config(), "infeasible", "too dear", predicted_calls=2e10)])
    (ending,) = misses.endings(inventory.read(tmp_path).runs)
    assert {line.predicted for line in ending.lines} == {2e10}


def test_only_levels_without_a_hit_are_missed():
    record = planted(config())
    hits = [hit for hit in record.hits if hit["eps"] > 0.01 or hit["criterion"] == "first"]
    cut = [{**p, "status": "censored"} if p["eps"] == [0.01] else p for p in record.passes]
    short = type(record)(**{**vars(record), "hits": hits, "passes": cut})
    assert [each.eps for each in inventory.missed(short)] == [(0.01,)]
    assert inventory.missed(record) == ()


# Trajectories


def chosen(directory):
    (group,) = [g for g in split(store.frame(directory)) if g.criterion == "average"]
    return trajectories.chosen(group, inventory.read(directory).runs)


def test_trajectories_are_of_the_hardest_kappa_that_most_solvers_solved(directory):
    """BA was censored at 16, so that all three solved 8."""
    found = chosen(directory)
    assert [(one.solver, one.kappa, one.seed) for one in found] == [
        ("ba", 8.0, 0),
        ("aid_bio", 8.0, 0),
        (EVIL, 8.0, 0),
    ]


def test_a_trajectory_adds_up_the_calls_of_all_oracles(directory):
    (path,) = [
        each
        for each in trajectories.read(directory, chosen(directory))
        if each.config.solver == "ba"
    ]
    expected = [10**k * (1 + 8 + 1 + round(8**0.5 * 10**k) / 10**k) for k in range(5)]
    assert path.calls == pytest.approx(expected)
    assert path.squared == tuple(10.0**-k for k in range(5))


def test_of_several_runs_the_one_with_the_smallest_eps_is_shown(tmp_path):
    make(tmp_path, [planted(config(eps=(eps,))) for eps in EPSS])
    assert [one.eps for one in chosen(tmp_path)] == [(0.01,)]


# Profiles of a group


def test_a_solver_that_never_calls_an_oracle_has_no_part_in_its_profile(directory):
    (group,) = [g for g in split(store.frame(directory)) if g.criterion == "average"]
    (comparison,) = comparisons(group)
    best = {(score.solver, score.quantity): score.best for score in scores(comparison)}
    assert best[EVIL, "hv"] is None
    assert best[EVIL, "gc_f"] == pytest.approx(14 / 15, abs=0.01)
    drawn = profiles(comparison, group.solvers)
    panel = drawn.panels[COUNTED.index("hv")]
    assert panel.count('class="line"') == 2
    assert drawn.panels[0].count('class="line"') == 3


def test_the_planted_store_has_what_the_tests_say():
    found = list(page_store.records())
    assert len(found) == 3 * len(KAPPAS) * len(SEEDS)
    assert Counter(record.status for record in found) == {"ok": 39, "censored": 5, "failed": 1}
