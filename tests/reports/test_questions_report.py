from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from vitar.data.curation.questions.report import (
    REPORT_NAME,
    SAMPLE_LIST_NAME,
    SAMPLES_NAME,
    QuestionsReport,
    Sample,
    SampleList,
    Stage,
    TextOnly,
)
from vitar.reports.load import ReportError
from vitar.reports.questions import write_questions_report

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """What a page holds: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def text_only(kind: str, accuracy: float) -> TextOnly:
    low, high = accuracy - 0.02, accuracy + 0.02
    return TextOnly(kind=kind, n=800, accuracy=accuracy, low=low, high=high, chance=0.5, at_chance=low <= 0.5 <= high)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten candidates of which seven were kept."""
    report = QuestionsReport(
        sources=("coco:a.json", "phantoms:train:4"),
        source_issues={"coco:a.json": {"box of zero area, left out": 3}},
        benchmarks={"vqa-rad": 451},
        generator="rules",
        verifier="rules",
        model="",
        generated={"facts_count": 1234},
        image_stages=(Stage(name="unreadable", about="It can be decoded.", entered=6, dropped={"unreadable": 1}),),
        stages=(
            Stage(name="malformed", about="In order.", entered=10, dropped={"too_long": 2, "bad_options": 1}),
            Stage(name="difficulty", about="Sometimes right.", entered=7, dropped={}, skipped="no model was given"),
        ),
        items=7,
        counts={"kind": {"count": 4, "type": 3}, "letter": {"A": 2, "B": 1}, "source": {"made": 7}, "yes_no": {}},
        text_only=(text_only("all", 0.51), text_only("count", 0.49)),
    )
    (tmp_path / REPORT_NAME).write_text(report.model_dump_json())
    pictures = tmp_path / SAMPLES_NAME
    pictures.mkdir()
    Image.new("L", (30, 20), 90).save(pictures / "a.jpg")
    samples = (
        Sample(
            filter="kept",
            reason="count",
            id="made/0#1",
            text=HOSTILE,
            options=("1", HOSTILE),
            answer="1",
            picture="a.jpg",
            width=300,
            height=200,
            boxes=((10, 20, 40, 60),),
        ),
        Sample(filter="malformed", reason="too_long", id="made/1#1", text="Why?", detail="401 characters"),
    )
    (pictures / SAMPLE_LIST_NAME).write_text(SampleList(samples=samples).model_dump_json())
    return tmp_path


def test_the_page_accounts_for_everything(folder: Path) -> None:
    page = Page(write_questions_report(folder).read_text())
    text = " ".join(page.text.split())
    assert "7 of 10 candidates became items. From the text alone a model is not shown to do better than chance" in text
    for part in ("box of zero area, left out", "– too_long", "– bad_options", "not run: no model was given"):
        assert part in text
    assert "vqa-rad (451 items)" in text
    assert "facts count1,234" in text
    assert "51.0% (49.0–53.0)" in text
    assert "401 characters" in text
    assert page.open == []


def test_pictures_are_inside_with_their_boxes(folder: Path) -> None:
    page = Page(write_questions_report(folder).read_text())
    (image,) = [attributes for tag, attributes in page.tags if tag == "image"]
    assert (image["href"] or "").startswith("data:image/jpeg;base64,")
    boxes = [attributes for tag, attributes in page.tags if tag == "rect" and attributes.get("class") == "true"]
    assert [(b["x"], b["y"], b["width"], b["height"]) for b in boxes] == [("10.0", "20.0", "30.0", "40.0")]


def test_nothing_is_loaded_and_nothing_runs(folder: Path) -> None:
    page = Page(write_questions_report(folder).read_text())
    assert not any(tag == "script" for tag, _ in page.tags)
    assert not any(tag == "img" for tag, _ in page.tags)
    links = [a.get("href") or a.get("src") or "" for _, a in page.tags if a.get("href") or a.get("src")]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert HOSTILE in page.text


def test_a_kind_that_is_not_at_chance_is_named(folder: Path) -> None:
    report = QuestionsReport.model_validate_json((folder / REPORT_NAME).read_text())
    changed = report.model_copy(update={"text_only": (text_only("all", 0.51), text_only("count", 0.6))})
    (folder / REPORT_NAME).write_text(changed.model_dump_json())
    page = Page(write_questions_report(folder).read_text())
    assert "From the text alone a model does better or worse than chance on count." in page.text


def test_a_folder_that_is_no_complete_run(folder: Path, tmp_path: Path) -> None:
    (folder / REPORT_NAME).unlink()
    with pytest.raises(ReportError, match="no complete run of vitar curate questions"):
        write_questions_report(folder)


def test_a_missing_picture(folder: Path) -> None:
    (folder / SAMPLES_NAME / "a.jpg").unlink()
    with pytest.raises(ReportError, match=r"a\.jpg"):
        write_questions_report(folder)
