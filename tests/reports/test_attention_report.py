"""Attention in a report: its sentences, tables, plots and heat maps."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from made_up_attention import UNDEFINED, about, attention_of
from made_up_figures import run_of
from PIL import Image

from vitar.analysis.attention.record import AttentionFile, SinkPlace
from vitar.reports.attention import MAX_MAPS, attention_figures, attention_tables
from vitar.reports.attention_words import attention_sentences, place_name
from vitar.reports.load import ReportError, load_runs


def said(**figures) -> str:
    return " ".join(attention_sentences(attention_of(**figures)))


@pytest.fixture
def folder(write_run):
    """A run with an attention analysis and one heat map more than a page shows."""
    folder = write_run()
    (folder / "attention").mkdir()
    names = []
    for number in range(MAX_MAPS + 1):
        item = "helped" if number == 0 else "unknown"
        names.append(f"attention/think_twice-{number:03d}-{item}.png")
        Image.new("RGB", (90, 40), (number, 0, 0)).save(folder / names[-1])
    content = AttentionFile(conditions={"think_twice": attention_of(pictures=tuple(names))})
    (folder / "attention.json").write_text(content.model_dump_json())
    return folder


def test_the_images_and_the_region_in_words():
    text = said()
    assert (
        "While it thinks, the model pays 20.0% of its attention to the image, where even attention would pay 30.0%."
        in text
    )
    assert "In its rethink turn it pays 22.0% to all images together" in text
    assert (
        "On image 1 in its think turn, the true region gets 3.00 (2.90 to 3.10) times the attention of an equal area, "
        "more than for as large regions at random places of the same images by +2.00 (+1.90 to +2.10), "
        "not shown to differ from that for the same places on other images by +0.05 (−0.05 to +0.15)."
    ) in text
    assert "less than for the same places on other images by −1.00 (−1.10 to −0.90)" in text


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"onto": about(1.0)}, "+1.00 (+0.90 to +1.10): the attention moves onto the region."),
        ({"onto": about(0.05)}, "that the attention moves onto the region is not shown."),
        ({"onto": about(-1.0)}, "the attention does not move onto the region but spreads away from it."),
        ({"onto": UNDEFINED}, "undefined: that the attention moves onto the region is not shown."),
        ({"stays": about(0.02, 0.01)}, "+2.0 (+1.0 to +3.0) points, more, so it does not leave them."),
        ({"stays": about(0.0, 0.01)}, "0.0 (−1.0 to +1.0) points, a change that is not shown."),
        ({"stays": about(-0.02, 0.01)}, "−2.0 (−3.0 to −1.0) points, less."),
        ({"contrast": about(-0.5)}, "it is the region that matters (difference −0.50 (−0.60 to −0.40), 24 episodes)."),
        ({"contrast": about(0.0)}, "that it is the region that matters is not shown"),
        ({"contrast": about(0.5)}, "hiding other pixels harms it more than hiding the region"),
        ({"contrast": UNDEFINED}, "What hiding the region does to the recorded answer is undefined: no episode allows"),
        ({"rethink": UNDEFINED}, "The attention on the true region of image 2 in its rethink turn is undefined."),
        ({}, "No token takes much of the attention all the time"),
    ],
)
def test_a_sentence_says_no_more_than_its_interval(figures, words: str):
    assert words in said(**figures)


def test_sinks_are_reported():
    sink = SinkPlace(place="first_token", per_episode=1.0, attention=(0.4, 0.35), inside_region=None)
    nothing = SinkPlace(place="text", per_episode=0.0, attention=(0.0, 0.0), inside_region=None)
    assert (
        "Attention sinks, kept in all measures: first token (1.0 an episode, 40.0% then 35.0% of all attention)."
        in said(places=(sink, nothing))
    )


def test_looks_have_names():
    assert [place_name(*p) for p in ((1, 1), (2, None), (3, 2))] == [
        "think, image 1",
        "rethink, all images",
        "rethink 2, image 2",
    ]


def test_tables_have_the_nulls_that_were_measured():
    run = replace(run_of({}), attention={"think_twice": attention_of()})
    shares, regions, occlusion = attention_tables(run)
    assert [column.title for column in shares.columns] == [
        "Look",
        "Measure",
        "n",
        "Mean",
        "Above first look",
        "Above even attention",
    ]
    rows = [[column.show(row) for column in shares.columns] for row in shares.rows]
    assert rows[0] == [
        "think, all images",
        "share of attention",
        "24",
        "0.20 (0.19 to 0.21)",
        "–",
        "−0.10* (−0.11 to −0.09)",
    ]
    assert rows[-1][-1] == "0.00 (−0.01 to +0.01)"
    rows = [[column.show(row) for column in regions.columns] for row in regions.rows]
    assert rows[1][1:] == [
        "times an equal area",
        "24",
        "2.00 (1.90 to 2.10)",
        "+1.00* (+0.90 to +1.10)",
        "−1.00* (−1.10 to −0.90)",
        "−1.00* (−1.10 to −0.90)",
    ]
    assert rows[2][2:] == ["0", "undefined", "undefined", "–", "–"]  # undefined, against not measured
    (row,) = [[column.show(row) for column in occlusion.columns] for row in occlusion.rows]
    assert row == ["answer", "24", "−0.80 (−0.90 to −0.70)", "−0.30 (−0.40 to −0.20)", "−0.50* (−0.60 to −0.40)"]
    json.dumps([dict(row) for table in (shares, regions, occlusion) for row in table.rows])


def test_every_figure_says_what_it_shows(folder):
    (run,) = load_runs([folder])
    (found,) = attention_figures(run)
    alts = [ElementTree.fromstring(plot.svg).get("aria-label") for plot in found.plots]
    assert len(alts) == 6  # share, enrichment, pointing, by layer, by head, occlusion
    share, enrichment, pointing, layers, heads, occlusion = alts
    assert "think, image 1 0.20; even 0.30; rethink, all 0.22; even 0.32; rethink, image 1 0.12" in share
    assert "rethink, image 2 2.00; shuffled 1.00; other images 3.00" in enrichment
    assert "rethink, image 2 undefined" in pointing
    assert layers.endswith("think, image 1 from 2 to 8")  # the undefined head is left out of its layer's mean
    assert heads.endswith("from 1.00 to 8.00, the most in layer 2, head 1")
    assert "answer: region −0.80; answer: elsewhere −0.30; answer: contrast −0.50" in occlusion
    assert found.note.startswith(
        "24 episodes in 20 groups, read again by tiny; averages over tokens, 2 layers and 2 heads."
    )
    assert (
        "Left out: 3 (no trace). Read in other tokens than were written: 2. Without the causal check: 1 (no region)."
        in found.note
    )


def test_a_few_heat_maps_with_their_questions(folder):
    (run,) = load_runs([folder])
    (found,) = attention_figures(run)
    assert len(found.maps) == MAX_MAPS
    first, second = found.maps[:2]
    assert (first.width, first.height) == (90, 40)
    assert first.data_url.startswith("data:image/")
    assert first.caption.endswith("True answer: yes.")
    assert first.caption in first.alt
    assert second.caption == "think_twice-001-unknown"


def test_a_heat_map_that_is_not_there_is_refused(folder):
    (folder / "attention" / "think_twice-000-helped.png").unlink()
    (run,) = load_runs([folder])
    with pytest.raises(
        ReportError, match=r"think_twice-000-helped\.png cannot be read.*vitar attention draws it again"
    ):
        attention_figures(run)


def test_only_the_folder_of_heat_maps_is_read(folder, tmp_path):
    Image.new("RGB", (5, 5)).save(tmp_path / "elsewhere.png")
    (run,) = load_runs([folder])
    outside = attention_of(pictures=("../../elsewhere.png", str(tmp_path / "elsewhere.png")))
    with pytest.raises(ReportError, match="cannot be read"):
        attention_figures(replace(run, attention={"think_twice": outside}))


def test_an_analysis_of_another_form_is_refused(folder):
    (folder / "attention.json").write_text('{"schema_version": 1, "conditions": {"think_twice": {"items": 3}}}')
    with pytest.raises(ReportError, match="remove it, and vitar attention writes another"):
        load_runs([folder])
