from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import ir_measures
import pytest
from typer.testing import CliRunner, Result

from agent.errors import ConfigError, NotFound
from eval.commands import app
from eval.reporting import charts, tabular
from eval.reporting.diffing import diff, pairs_of
from eval.reporting.losses import MOST, worst, worst_of
from eval.reporting.markup import Markup, element, escaped, joined
from eval.reporting.page import page
from eval.reporting.reading import Reading
from eval.reporting.report import Report, report_of
from eval.reporting.showing import show
from eval.reporting.slices import COLD, HISTORY, PEOPLE, POPULARITY, slices
from eval.reporting.writing import write_report, write_reports
from eval.running.answers import Answer
from eval.running.folder import RunFolder
from eval.running.stability import tenth
from eval.running.tally import Tally, tallies
from eval.statistics import holm
from tests.support.stored_run import PROMPT, data_set, failing, stored_run

HOSTILE = "</pre><script>alert('1')</script><img src=x onerror=alert(2)>\x1b[31m\u202e"
VOID = {"meta", "br", "hr", "img", "col"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "films", 60)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells, of which the second is much better; two answers of the first failed."""
    gate = [{"metric": "ndcg@10", "versus": "v1", "not_worse_than": 0.02}, {"rate": "failed", "at_most": 0.5}]
    return stored_run(
        tmp_path_factory.mktemp("runs") / "two",
        data,
        {"v1": 0.4, "v2": 0.95},
        gate=gate,
        prompts={"v2": PROMPT + "Newest first.\n"},
        edit=failing("c1", "c22", cell="v1"),
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "bare", 60, bare=True)


@pytest.fixture(scope="module")
def report(run: Path) -> Report:
    return report_of(run)


@pytest.fixture(scope="module")
def reading(report: Report) -> Reading:
    return report.reading


class Page(HTMLParser):
    """The tags of a page, checked to be closed in order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        named = dict(attrs)
        assert not [name for name in named if name.startswith("on")]
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def palate_eval(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


def test_what_is_put_into_markup_is_escaped_and_what_is_markup_stays() -> None:
    assert element("td", "a <b> & 'c'", class_="x") == '<td class="x">a &lt;b&gt; &amp; &#x27;c&#x27;</td>'
    assert element("p", Markup("<b>1</b>"), 2, None, ["x", [element("br")]]) == "<p><b>1</b>2x<br></p>"
    assert element("meta", http_equiv="a", name="b", open=True, hidden=False, id=None) == (
        '<meta http-equiv="a" name="b" open>'
    )
    assert escaped("a\x1b[1mb\u202ec\nd\x00\ud800") == "a[1mbc\nd"
    assert joined([]) == ""


def test_a_forest_places_zero_between_its_ends() -> None:
    bars = [charts.Bar("a", 0.1, 0.05, 0.2, "+0.1", "better"), charts.Bar("b", -0.1, None, None, "-0.1", "worse")]
    drawn = Page(charts.forest(bars))
    assert drawn.tags["svg"] == 2
    assert drawn.tags["line"] == 3 + 2, "no line of an interval where there is none"
    assert charts.forest([]) == ""
    zeros = re.findall(r'<line x1="([\d.]+)"[^>]*class="zero"', charts.forest(bars))
    # from -.1 to .2, and 6 % of that beyond either end: 0 lies at .118 of .336
    assert [float(x) for x in zeros] == pytest.approx([100 * 0.118 / 0.336] * 2, abs=0.01)


@pytest.mark.parametrize("times", [(100.0, 120.0), (1.0, 5_000.0), (0.0, 0.0)])
def test_points_stay_within_the_drawing(times: tuple[float, float]) -> None:
    points = [charts.Point("a", 0.5, 0.4, 0.6, *times), charts.Point("b", 0.4, None, None, *times)]
    drawn = charts.scatter(points, str, "quality over time", ("recall-only", 0.3), [[0, 1]])
    for x in re.findall(r'c?x[12]?="([\d.-]+)"', drawn):
        assert 0 <= float(x) <= charts.WIDE
    for y in re.findall(r'c?y[12]?="([\d.-]+)"', drawn):
        assert 0 <= float(y) <= charts.HIGH
    assert charts.scatter([], str, "nothing") == ""
    assert 'class="front"' in drawn
    assert 'class="beaten"' not in drawn


def test_a_heat_map_shades_by_the_share_of_the_row() -> None:
    drawn = charts.heat([[3, 1], [0, 0]], ["1", "2"], ("slot", "place"), "a map")
    shares = [(float(shade) - 0.04) / 0.71 for shade in re.findall(r'fill-opacity="([\d.]+)"', drawn)]
    assert shares == pytest.approx([0.75, 0.25, 0, 0], abs=0.001)
    words = re.findall(r">([^<>]+)</text>", drawn)
    assert words == ["place \u2192", "slot", "n", "1", "2", "1", "4", "75", "25", "2", "0"]
    assert charts.heat([], [], ("slot", "place"), "a map") == ""


def test_one_pass_counts_what_went_wrong(run: Path) -> None:
    found = tallies(RunFolder.open(run).answers(), ["v1", "v2", "v3"])
    one = found["v1"]
    assert (one.n, one.flawed["failed"], len(one.times_ms)) == (60, 2, 58)
    assert one.rate("failed").value == 2 / 60
    (reason,) = one.ranked_reasons("failed")
    assert (reason.n, reason.case_id) == (2, "c1"), "alike but for the number, so counted together"
    assert one.tokens == {"in": 6_000, "out": 240}
    assert sum(one.slots.values()) == 58
    assert found["v3"].n == 0
    assert [tenth(place, 8) for place in (0, 7)] == [0, 7]
    assert [tenth(place, 25) for place in (0, 2, 3, 24)] == [0, 0, 1, 9]


def test_reasons_run_from_the_most_frequent_down() -> None:
    tally = Tally("a")
    for words, times in (("timeout after 3 s", 1), ("timeout after 4 s", 1), ("refused", 3)):
        for _ in range(times):
            tally._take_reason("degraded", words, "c")
    assert [(r.words, r.n) for r in tally.ranked_reasons("degraded")] == [("refused", 3), ("timeout after 3 s", 2)]


def test_slices_hold_every_case_once_a_kind(reading: Reading) -> None:
    found = slices(reading, "v2", "v1")
    by_kind = {kind: [one for one in found if one.kind == kind] for kind in (HISTORY, POPULARITY, PEOPLE)}
    assert {kind: sum(one.value.n for one in some) for kind, some in by_kind.items()} == dict.fromkeys(by_kind, 60)
    assert [one.name for one in by_kind[HISTORY]] == ["0", "1 to 3", "4 to 10"]
    assert by_kind[PEOPLE][0].name == f"cold (history of at most {COLD})"
    assert by_kind[POPULARITY][0].name == "decile 1 (least known)"
    for one in found:
        assert one.p_holm >= one.change.p
        assert one.change.n == one.value.n


def test_popularity_is_left_out_where_it_is_not_known(tmp_path: Path) -> None:
    gone = data_set(tmp_path / "gone", 8)
    run = stored_run(tmp_path / "run", gone, {"model": 0.5})
    (gone / "items.jsonl").unlink()
    found = slices(Reading.of(run), "model", "random")
    assert {one.kind for one in found} == {HISTORY, PEOPLE}


def test_losses_run_from_the_worst_down(reading: Reading) -> None:
    found = worst_of(reading)
    assert 0 < len(found) <= MOST
    assert [loss.change for loss in found] == sorted(loss.change for loss in found)
    assert all(loss.change < 0 for loss in found)
    assert {("v1", "c1"), ("v1", "c22")} <= {(loss.cell, loss.case_id) for loss in found}, "what failed lost all"
    ties = {"m": {"b": 0.0, "a": 0.0, "c": 0.5}}
    base = {"m": {"b": 0.5, "a": 0.5, "c": 0.4}}
    assert [loss.case_id for loss in worst(ties, base, "m", "x")] == ["a", "b"]


def test_a_diff_pairs_shared_cases_and_says_how_many_are_not(bare: Path, tmp_path: Path) -> None:
    def edit(answer: Answer) -> Answer:
        return replace(answer, relevant=answer.relevant * 2 + ("i0",)) if answer.case_id == "c3" else answer

    base = Reading.of(stored_run(tmp_path / "base", bare, {"v1": 0.4, "v2": 0.4}, cases=50))
    new = Reading.of(stored_run(tmp_path / "new", bare, {"v1": 0.4, "v2": 0.95}, edit=edit))
    found = diff(base, new)
    assert [(cell.base, cell.new) for cell in found.cells] == [("v1", "v1"), ("v2", "v2")]
    same, better = found.cells
    assert (same.n, same.only_base, same.only_new, same.changed) == (49, 0, 10, 1)
    assert same.metrics["ndcg@10"].p == 1
    assert not same.wins
    assert not same.losses
    assert found.family == 2, "pairs of cells: each metric is a family of its own, as in a run"
    for name in ("ndcg@10", "recall@5"):
        raw = [cell.metrics[name].p for cell in found.cells]
        assert [cell.p_holm[name] for cell in found.cells] == holm(raw)
    assert better.p_holm["ndcg@10"] >= better.metrics["ndcg@10"].p
    assert len(better.wins) == better.metrics["ndcg@10"].wins > 10
    assert [abs(change.by) for change in better.wins] == sorted((abs(c.by) for c in better.wins), reverse=True)
    assert "new: v2 beats base: v2" in found.sentence(better)
    assert "is not shown to differ" in found.sentence(same)
    assert not found.worse
    assert diff(new, base).worse
    assert "the data sets" not in " ".join(found.notes)


def test_a_case_that_is_asked_otherwise_is_not_compared(bare: Path, tmp_path: Path) -> None:
    def edit(answer: Answer) -> Answer:
        if answer.case_id == "c3":
            return replace(answer, history=(*answer.history, "i0"))
        if answer.case_id not in ("c4", "c5"):
            return answer
        orders = {name: (*order, "i99") for name, order in answer.orders.items()}
        failed = {**orders, "model": ()} if answer.case_id == "c5" else orders
        return replace(answer, orders=failed)

    base = Reading.of(stored_run(tmp_path / "base", bare, {"v1": 0.4}, edit=failing("c7")))
    new = Reading.of(stored_run(tmp_path / "new", bare, {"v1": 0.4}, edit=edit))
    (cell,) = diff(base, new).cells
    assert (cell.n, cell.changed) == (57, 3), "what failed has no order to tell candidates by, and stays"


def test_the_cells_of_one_run_are_compared_with_its_first(reading: Reading) -> None:
    assert pairs_of(reading, reading) == [("v1", "v2")]
    (cell,) = diff(reading, reading).cells
    assert "+Newest first." in cell.prompts["en/rank"].splitlines()
    assert cell.prompts["en/rank"].startswith("--- v1/en/rank")


def test_a_diff_of_nothing_shared_is_refused(bare: Path, tmp_path: Path) -> None:
    one = Reading.of(stored_run(tmp_path / "one", bare, {"model": 0.5}, metrics=["recall@5"]))
    with pytest.raises(ConfigError, match="has one cell only"):
        diff(one, one)
    with pytest.raises(ConfigError, match="no cell 'v9'"):
        diff(one, one, [("model", "v9")])
    other = Reading.of(stored_run(tmp_path / "two", bare, {"model": 0.5}, metrics=["rr"]))
    with pytest.raises(ConfigError, match="share no metric"):
        diff(one, other)
    (tmp_path / "data").mkdir()
    elsewhere = data_set(tmp_path / "data" / "books", 3, bare=True)
    lines = (elsewhere / "cases.jsonl").read_text().replace('"c', '"d')
    (elsewhere / "cases.jsonl").write_text(lines.replace('"dase', '"case').replace('"dand', '"cand'))
    strange = Reading.of(stored_run(tmp_path / "three", elsewhere, {"model": 0.5}, metrics=["recall@5"]))
    with pytest.raises(ConfigError, match="share no case"):
        diff(one, strange)


def test_a_case_is_shown_with_places_and_calls(run: Path) -> None:
    folder = RunFolder.open(run)
    one, other = show(folder, "c0")
    assert (one.answer.cell, other.answer.cell) == ("v1", "v2")
    (placed,) = one.relevant
    assert placed.title.startswith("Item <")
    assert set(placed.places) == {"recall-only", "without-model", "likelihood-only", "model"}
    assert len(one.read) == 5
    (failed,) = show(folder, "c1", "v1")
    assert failed.answer.failed
    assert failed.relevant[0].places == {}
    with pytest.raises(NotFound, match="no answer to case 'c999'"):
        show(folder, "c999")
    with pytest.raises(NotFound, match="no cell 'v3'"):
        show(folder, "c0", "v3")


def test_reasons_are_checked_against_the_items(data: Path, tmp_path: Path) -> None:
    def edit(answer: Answer) -> Answer:
        sentences = {"i1": "A drama from 1951.", "i2": "It won nine Oscars.", "gone": "Good."}
        rows: list[Mapping[str, object]] = [
            {"item_id": item_id, "sentence": text, "evidence": [], "source": "written"}
            for item_id, text in sentences.items()
        ]
        return replace(answer, rationales=tuple(rows))

    run = stored_run(tmp_path / "run", data, {"model": 1.0}, cases=2, edit=edit)
    (found,) = show(RunFolder.open(run), "c0")
    true, false, unknown = found.rationales
    assert true.supported
    assert not true.unsupported
    assert false.unsupported
    assert (unknown.supported, unknown.unsupported) == (None, None)
    drawn = palate_eval("show", run, "c0").stdout
    assert "not borne out: " in drawn
    assert "not checked" in drawn


def test_titles_are_ids_where_the_data_set_is_gone(tmp_path: Path) -> None:
    gone = data_set(tmp_path / "gone", 4)
    run = stored_run(tmp_path / "run", gone, {"model": 1.0})
    for name in ("items.jsonl", "cases.jsonl"):
        (gone / name).unlink()
    (found,) = show(RunFolder.open(run), "c0")
    assert found.relevant[0].title == found.relevant[0].item_id
    assert found.wish is None


def test_the_page_is_whole_offline_and_says_what_was_found(report: Report) -> None:
    text = page([report])
    found = Page(text)
    assert found.tags["script"] == found.tags["link"] == found.tags["img"] == 0
    assert found.links == []
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "http://" not in text
    assert "https://" not in text
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
    assert report.sentences[0] in found.text
    for heading in (
        "Gate undecided",
        "Every system",
        "Difference to recall-only: ndcg@10",
        "Quality against time",
        "Relevant items: shown there, put there",
        "Slices",
        "Worst losses against recall-only",
        "Failures",
        "Prompts",
        "How it was measured",
        "What was run",
    ):
        assert heading in found.text, heading
    assert "+Newest first." in found.text
    assert "ir-measures" in found.text
    assert "Item <" in found.text, "titles, not ids"
    assert "Rank <b>these</b>" in found.text


def test_the_page_of_a_run_that_explains_says_how_good_the_reasons_are(data: Path, tmp_path: Path) -> None:
    def edit(answer: Answer) -> Answer:
        reasons = ({"item_id": "i1", "sentence": "A drama.", "evidence": [], "source": "composed"},)
        return replace(answer, orders={}, rationales=reasons)

    run = stored_run(tmp_path / "run", data, {"model": 1.0}, metrics=["grounding"], task="explain", cases=5, edit=edit)
    report = report_of(run)
    found = Page(page([report]))
    assert "Reasons" in found.words
    assert "unique_sentences" in found.words
    assert "claims made" in found.text
    assert report.sentences == ()
    assert "No system of this run can be compared" in found.text
    assert "Worst losses" not in found.text


def test_hostile_texts_stay_text_on_the_page(bare: Path, tmp_path: Path) -> None:
    def edit(answer: Answer) -> Answer:
        call = {"method": HOSTILE, "prompt": HOSTILE, "reply": HOSTILE}
        return replace(answer, user_id=HOSTILE, failed=HOSTILE, orders={}, trace=(call,) * 9, degraded=(HOSTILE,))

    run = stored_run(tmp_path / "run", bare, {"model": 0.0}, edit=edit, prompts={"model": HOSTILE}, cases=5)
    text = page([report_of(run)])
    found = Page(text)
    assert found.tags["script"] == found.tags["img"] == 0
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "alert('1')" in found.text


def test_the_page_of_many_cases_lets_one_look_into_fifty(tmp_path: Path) -> None:
    many = data_set(tmp_path / "many", 80, bare=True)

    def edit(answer: Answer) -> Answer:
        return replace(answer, trace=({"method": "score", "prompt": "p" * 20_000, "reply": "r" * 20_000},) * 6)

    text = page([report_of(stored_run(tmp_path / "run", many, {"model": 0.1}, edit=edit))])
    assert text.count("Call 1 of 6") == MOST
    assert text.count("Call 5 of 6") == 0
    assert len(text) < 3_000_000


def test_a_report_of_two_runs_compares_them(data: Path, report: Report, tmp_path: Path) -> None:
    other = report_of(stored_run(tmp_path / "newer", data, {"v1": 0.95}))
    (file,) = write_reports([report, other], tmp_path / "out" / "two.html")
    found = Page(file.read_text(encoding="utf-8"))
    assert "newer against two" in found.text
    assert "newer: v1 beats two: v1" in found.text
    (file,) = write_reports([report, other], tmp_path / "two.json")
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert [one["run"] for one in stored["runs"]] == ["two", "newer"]
    assert [cell["new"] for cell in stored["diffs"][0]["cells"]] == ["v1"]


def test_cells_over_several_data_sets_are_compared_within_their_own(tmp_path: Path) -> None:
    folders = [data_set(tmp_path / name, n, bare=True) for name, n in (("films", 30), ("books", 20))]
    gate = [{"metric": "ndcg@10", "versus": "random", "not_worse_than": 0.02}]
    gate += [{"metric": "ndcg@10", "versus": "films v1", "not_worse_than": 0.02}]
    run = stored_run(tmp_path / "run", folders, {"v1": 0.1, "v2": 1.0}, gate=gate)
    report = report_of(run)
    assert set(report.against) == {"films recall-only", "books recall-only"}
    assert {pair.metrics["ndcg@10"].n for pair in report.against["books recall-only"]} == {20}
    judged = [(one.cell, one.n) for one in report.gate.judgements]
    assert judged == [("films v1", 30), ("films v2", 30), ("books v1", 20), ("books v2", 20), ("films v2", 30)]
    assert len(report.answers) == len(report.losses) > 0, "among several data sets cases are called films/c1"
    found = Page(page([report]))
    assert "Difference to books recall-only: ndcg@10" in found.text
    assert set(report.slices) == {"films v1", "films v2", "books v1", "books v2"}
    (file,) = write_report([run], tmp_path / "run.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        assert {row["case_id"].partition("/")[0] for row in csv.DictReader(lines)} == {"films", "books"}


def test_items_of_equal_ids_are_those_of_their_own_data_set(tmp_path: Path) -> None:
    films, books = (data_set(tmp_path / name, 30) for name in ("films", "books"))
    for file, old, new in (("items.jsonl", "Item <", "Book <"), ("items.jsonl", '"popularity"', '"pages"')):
        (books / file).write_text((books / file).read_text().replace(old, new))
    for folders in ([films, books], [books, films]):
        run = stored_run(tmp_path / f"of {folders[0].name}", folders, {"v1": 0.2})
        titles = {one.answer.cell: one.relevant[0].title for one in show(RunFolder.open(run), "c1")}
        assert titles["films v1"].startswith("Item <")
        assert titles["books v1"].startswith("Book <")
        reading = Reading.of(run)
        assert reading.title("films v1", "i3") == "Item <3> & Co (1953)"
        assert reading.title("books v1", "i3") == "Book <3> & Co (1953)"
        kinds = {c: {one.kind for one in slices(reading, c, reading.baseline(c) or "")} for c in titles}
        assert kinds == {"films v1": {HISTORY, POPULARITY, PEOPLE}, "books v1": {HISTORY, PEOPLE}}


def test_one_pair_has_one_p_everywhere(report: Report, tmp_path: Path) -> None:
    judged = {(one.system, one.against): one for one in report.reading.results.comparisons}
    (shown,) = report.against.values()
    assert {("v1", "recall-only"), ("v2", "recall-only")} <= set(judged)
    for pair in shown:
        known = judged.get((pair.system, pair.against))
        assert pair.p_holm == (known.p_holm if known else {})
    (file,) = write_reports([report], tmp_path / "run.json")
    (found,) = json.loads(file.read_text(encoding="utf-8"))["runs"]
    told = {row["system"]: row["metrics"]["ndcg@10"]["p_holm"] for row in found["against"]}
    assert told["oracle"] is None
    assert told["v2"] == judged["v2", "recall-only"].p_holm["ndcg@10"]
    drawn = Page(page([report])).text
    assert f"p corrected for the {judged['v2', 'recall-only'].family} comparisons of the run" in drawn


def test_what_scores_runs_does_not_need_what_reports_them() -> None:
    code = "import eval.running.summary, eval.running.drawing, sys; print([m for m in sys.modules if 'reporting' in m])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_cell_without_answers_is_left_out(bare: Path, tmp_path: Path) -> None:
    gate = [{"metric": "ndcg@10", "versus": "random", "not_worse_than": 0.02}]
    run = stored_run(tmp_path / "run", bare, {"v1": 1.0, "v2": 1.0}, gate=gate)
    answers = run / "answers.jsonl"
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    answers.write_text("".join(line for line in lines if '"cell":"v1"' in line), encoding="utf-8")
    report = report_of(run)
    assert [cell.name for cell in report.reading.cells] == ["v1"]
    assert "no answers" in Page(page([report])).text
    answers.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no answers yet"):
        report_of(run)


def test_the_json_report_has_the_documented_shape(report: Report, tmp_path: Path) -> None:
    (file,) = write_reports([report], tmp_path / "run.json")
    (found,) = json.loads(file.read_text(encoding="utf-8"))["runs"]
    assert set(found) >= {
        "run", "about", "headline", "versus", "sentences", "gate", "results", "comparisons", "against", "cells",
        "reasons", "latency_ms", "slices", "losses", "method",
    }  # fmt: skip
    assert found["reasons"]["v1"]["failed"] == [
        {"words": "ModelTimeout: no answer within 2.5 s", "case_id": "c1", "n": 2}
    ]
    assert set(found["latency_ms"]["v1"]) == {"p50", "p95"}
    assert {row["cell"] for row in found["losses"]} == {"v1", "v2"}
    assert found["gate"]["outcome"] == "too few", "v1, which failed twice, is what v2 is compared with"


def test_a_name_that_a_spreadsheet_would_run_is_text_in_csv() -> None:
    assert tabular.csv_line(["=1+1", "-u0", "c1", -0.5]) == "'=1+1,'-u0,c1,-0.5\n"


def test_csv_has_a_row_a_system_and_case(report: Report, reading: Reading, tmp_path: Path) -> None:
    (file,) = write_reports([report], tmp_path / "run.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 60 * len(reading.results.results)
    (failed,) = (row for row in rows if (row["system"], row["case_id"]) == ("v1", "c1"))
    assert (failed["answered"], float(failed["ndcg@10"])) == ("0", 0)
    mean = sum(float(row["ndcg@10"]) for row in rows if row["system"] == "v2") / 60
    (result,) = (one for one in reading.results.results if one.system.name == "v2")
    assert mean == pytest.approx(result.metrics["ndcg@10"].value)


def test_trec_files_give_the_same_figures_elsewhere(report: Report, reading: Reading, tmp_path: Path) -> None:
    file, judgements = write_reports([report], tmp_path / "run.trec")
    assert judgements.name == "run.qrels"
    qrels = list(ir_measures.read_trec_qrels(str(judgements)))
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith(" v2")]
    assert all(len(line.split()) == 6 for line in lines)
    scored = list(ir_measures.read_trec_run("\n".join(lines)))
    found = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, scored)
    (result,) = (one for one in reading.results.results if one.system.name == "v2")
    assert found[ir_measures.nDCG @ 10] == pytest.approx(result.metrics["ndcg@10"].value)


def test_names_with_blanks_are_one_word_in_trec(bare: Path, tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", bare, {"v 1 %": 0.5, "v2": 0.5}, cases=3)
    file, _ = write_report([run], tmp_path / "run.trec")
    assert {line.split()[5] for line in file.read_text().splitlines()} >= {"v%201%20%25", "v2"}


def test_markdown_has_tables_of_equal_width(report: Report, tmp_path: Path) -> None:
    (file,) = write_reports([report], tmp_path / "run.md")
    text = file.read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in re.split(r"\n\n+", text) if block.startswith("|")]
    assert len(blocks) == 3
    for lines in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
        assert set(lines[1]) <= set("|-: ")
    assert "## Gate" in text


def test_junit_is_written_by_its_ending_and_other_endings_are_refused(report: Report, tmp_path: Path) -> None:
    (file,) = write_reports([report], tmp_path / "run.xml")
    assert ET.parse(file).getroot().attrib["failures"] == "0"
    with pytest.raises(ConfigError, match=r"'run\.pdf'"):
        write_report([tmp_path], tmp_path / "run.pdf")
    with pytest.raises(ConfigError, match="cannot write"):
        write_reports([report], file / "run.md")


def test_the_commands_draw_and_write(bare: Path, tmp_path: Path) -> None:
    texts = {"v2": PROMPT + "Newest first.\n"}
    run = stored_run(tmp_path / "two", bare, {"v1": 0.2, "v2": 1.0}, prompts=texts, cases=30, edit=failing("c1"))
    drawn = palate_eval("diff", run)
    assert drawn.exit_code == 0, drawn.output
    assert "v2 beats v1" in drawn.stdout
    assert "+Newest first." in drawn.stdout
    found = json.loads(palate_eval("diff", run, "--json", "--metrics", "rr").stdout)
    assert set(found) == {"base", "new", "headline", "family", "cells", "sentences", "notes"}
    assert found["headline"] == "rr"
    worse = palate_eval("diff", run, "--base-cell", "v2", "--new-cell", "v1", "--fail-on-worse")
    assert worse.exit_code == 1
    assert "loses to" in worse.stdout
    shown = palate_eval("show", run, "c0", "--cell", "v2")
    assert "Rank <b>these</b> for u0" in shown.stdout
    assert "model alone" in shown.stdout
    answers = json.loads(palate_eval("show", run, "c1", "--json").stdout)["answers"]
    assert [answer["cell"] for answer in answers] == ["v1", "v2"]
    written = palate_eval("report", run, "-o", tmp_path / "r.html")
    assert written.exit_code == 0, written.output
    assert (tmp_path / "r.html").stat().st_size > 10_000
