"""The page as a whole: self-contained, escaped, complete; and the command that writes it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_attention import attention_of
from PIL import Image

from vitar.analysis.attention.record import AttentionFile
from vitar.analysis.from_traces import write_analyses
from vitar.cli.main import main
from vitar.reports.load import load_runs, load_trainings
from vitar.reports.report import render, write_report


class Page(HTMLParser):
    """Every start tag with its attributes, and the text of the page."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        found = [attrs for name, attrs in self.tags if name == tag]
        return [a for a in found if all(a.get(key.rstrip("_")) == value for key, value in attributes.items())]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def analysed(write_run) -> str:
    """The page of a run with regions, costs, and attention with one heat map."""
    folder = write_run()
    (run,) = load_runs([folder])
    write_analyses(folder, run.examples, {name: list(found.values()) for name, found in run.traces.items()})
    (folder / "attention").mkdir()
    Image.new("RGB", (90, 40)).save(folder / "attention" / "think_twice-000-both.png")
    attention = attention_of(pictures=("attention/think_twice-000-both.png",))
    (folder / "attention.json").write_text(AttentionFile(conditions={"think_twice": attention}).model_dump_json())
    return render(load_runs([folder]), [])


@pytest.fixture
def html(write_run, training_dir) -> str:
    runs = load_runs([write_run("base", "tiny-base"), write_run("grpo", "tiny-grpo")])
    return render(runs, load_trainings([training_dir]))


def test_the_page_is_well_formed(html: str):
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded_from_elsewhere(html: str):
    for _, attrs in Page(html).tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            assert (attrs.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in html
    assert "@import" not in html


def test_the_policy_allows_the_one_script_and_no_other(html: str):
    page = Page(html)
    assert len(page.all("script")) == 1
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy["content"]
    assert f"script-src 'sha256-{digest}';" in policy["content"]


def test_what_a_model_wrote_stays_text(html: str):
    page = Page(html)
    assert not page.all("img")
    assert "<script>alert(1)</script>" in page.text
    assert "onerror=alert(2)>" not in html  # the bracket is escaped wherever the words stand


def test_every_picture_exists_and_is_described(html: str):
    page = Page(html)
    stored = {attrs["id"] for attrs in page.all("image")}
    used = {attrs["href"].lstrip("#") for attrs in page.all("use")}
    assert used == stored
    pictures = page.all("svg", role="img")
    assert pictures
    assert all(attrs["aria-label"] for attrs in pictures)


def test_sections_come_in_their_order(html: str):
    sections = [attrs["id"] for attrs in Page(html).all("section") if "id" in attrs]
    assert sections == ["result", "benchmarks", "conditions", "kinds", "comparisons", "training", "traces"]


def test_analyses_have_their_sections_where_there_are_any(analysed: str):
    page = Page(analysed)
    sections = [attrs["id"] for attrs in page.all("section") if "id" in attrs]
    assert sections[3:] == ["comparisons", "regions", "attention", "costs", "traces"]
    links = [attrs["href"] for attrs in page.all("a")]
    assert [f"#{name}" for name in sections] == links[1:]
    assert page.open == []
    for words in ("mean IoU of 1.00", "While it thinks, the model pays 20.0%", "Two looks take 3.0 times the seconds"):
        assert words in page.text


def test_figures_of_analyses_are_described_and_embedded(analysed: str):
    page = Page(analysed)
    pictures = page.all("svg", role="img")
    assert all(attrs["aria-label"] for attrs in pictures)
    (heat_map,) = [attrs for attrs in page.all("image") if "id" not in attrs]
    assert heat_map["href"].startswith("data:image/")
    assert not page.all("img")
    assert page.all("svg", role="img", viewbox="0 0 90 40")[0]["aria-label"].startswith("Heat maps of attention")


def test_tables_and_plots_name_their_run(html: str):
    captions = re.findall(r"<caption><span>(.*?)</span></caption>", html)
    captions += re.findall(r'<figure class="plotted">\s*<figcaption>(.*?)</figcaption>', html)
    assert len(captions) > 15
    assert all(re.search(r"; (runs?|training) |^What was run$", caption) for caption in captions)


def test_items_carry_what_the_filters_need(html: str):
    page = Page(html)
    items = page.all("article")
    assert len(items) == 10
    assert {item["data-run"] for item in items} == {"base", "grpo"}
    assert items[0]["data-run"] == "grpo"  # the model that the headline is about
    assert {item["data-effect"] for item in items} == {"", "helped", "hurt"}
    traces = page.all("section", class_="trace")
    assert len(traces) == 50
    assert {trace["data-verdict"] for trace in traces} == {"right", "wrong", "malformed"}
    assert "5 of 5 items are shown" in page.text


def test_without_the_script_everything_is_visible(html: str):
    hidden = [tag for tag, attrs in Page(html).tags if "hidden" in attrs]
    assert hidden == ["form"]  # the filters, which do nothing by themselves


def test_a_single_run_has_no_model_table(write_run):
    page = Page(render(load_runs([write_run()]), []))
    sections = [attrs["id"] for attrs in page.all("section") if "id" in attrs]
    assert sections == ["result", "conditions", "kinds", "comparisons", "traces"]
    assert "Not for clinical use" in page.text


def test_a_run_with_one_condition_and_no_trace_to_show(write_run):
    page = Page(render(load_runs([write_run(conditions=("single_pass",))]), [], traces=0))
    assert "Whether looking twice helps was not measured." in page.text
    assert "0 of 5 items are shown" in page.text
    assert "Run run compares no conditions." in page.text
    assert not page.all("article")


def test_the_same_runs_give_the_same_page(write_run):
    folder = write_run()
    assert render(load_runs([folder]), []) == render(load_runs([folder]), [])


def test_a_report_needs_a_run(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one run"):
        write_report([], [], tmp_path / "report.html")


def test_the_command_writes_the_page_and_its_tables(write_run, training_dir, tmp_path: Path, capsys):
    out = tmp_path / "deep" / "page.html"
    code = main(["report", str(write_run()), "--training", str(training_dir), "--out", str(out), "--traces", "2"])
    assert code == 0
    size = f"{out.stat().st_size / 1e6:.1f} MB"
    assert capsys.readouterr().out == f"report in {out} ({size}), its tables in 17 files beside it\n"
    assert "2 of 5 items are shown" in Page(out.read_text()).text
    names = {path.name.removeprefix("page-") for path in out.parent.iterdir()} - {"page.html"}
    tables = ("runs", "benchmarks", "models", "answers", "conditions", "kinds", "answer_types", "comparisons")
    assert names == {f"{name}.{suffix}" for name in tables for suffix in ("csv", "tex")} | {"tables.json"}


def test_the_page_goes_to_the_last_run_by_default(write_run):
    first, last = write_run("base"), write_run("sft")
    assert main(["report", str(first), str(last)]) == 0
    assert (last / "report.html").is_file()
    assert not (first / "report.html").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--traces", "-1"], "0 or more"),
        (["--out", "page.txt"], "names the HTML file"),
        (["--out", "."], "names the HTML file"),
        (["--training", "nowhere"], "nowhere should be the folder of a training run"),
    ],
)
def test_bad_arguments_are_refused(write_run, capsys, extra: list[str], message: str):
    assert main(["report", str(write_run()), *extra]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vitar report: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "it holds no metrics.json. Run vitar eval to its end first." in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused(write_run, tmp_path: Path, capsys):
    (tmp_path / "file").touch()
    assert main(["report", str(write_run()), "--out", str(tmp_path / "file" / "page.html")]) == 2
    assert "file" in capsys.readouterr().err


def test_reports_need_no_torch():
    code = "import sys, vitar.reports.report, vitar.reports.load; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
