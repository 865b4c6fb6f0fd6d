"""The one line that names a source, and sources as sequences."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, open_image
from vitar.data.phantoms.dataset import phantom_example
from vitar.data.sources import FORMATS, NAMED_SETS, SourceError, open_annotated


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("", "not an annotated source. Expected one of coco:, voc:"),
        ("bccd", "not an annotated source"),
        ("coco:", "followed by a path"),
        ("imagenet:/data", "not an annotated source"),
        ("phantoms:train", "no number of phantoms"),
        ("phantoms:train:-1", "no number of phantoms"),
        ("phantoms:exam:3", "Expected one of train, validation, test, shifted"),
        ("voc:/data?colour=red", "unknown option colour. Expected one of source, modality"),
        ("voc:/data?group=patient", "unknown option group"),
        ("voc:/data?modality", "cannot read 'modality'"),
        ("slake:/data?split=test", "unknown option split. Expected none, this set says all of it"),
        ("slake:/nowhere", "/nowhere/imgs: not found"),
    ],
)
def test_specs_that_name_no_source_say_what_would(spec: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        open_annotated(spec)


@pytest.mark.parametrize("name", [*FORMATS, *NAMED_SETS])
def test_every_source_says_where_nothing_is(name: str, tmp_path) -> None:
    with pytest.raises(SourceError, match=str(tmp_path)):
        open_annotated(f"{name}:{tmp_path / 'gone'}")


@pytest.mark.parametrize("module", NAMED_SETS.values())
def test_a_named_set_says_what_lies_where_and_under_which_licence(module: str) -> None:
    text = import_module(module).__doc__
    assert "DIR/" in text
    assert any(word in text for word in ("Licence", "licence", "terms", "restrictions", "agreement", "rules"))


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delitem(sys.modules, "vitar.data.sources.dicom_seg", raising=False)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(SourceError, match=r"needs the package pydicom.*pip install 'vitar-med\[medical\]'"):
        open_annotated(f"dicom-seg:{tmp_path}")


def test_phantoms_are_annotated_images_with_masks() -> None:
    source = open_annotated("phantoms:test:9")
    assert len(source) == 9
    assert [image.id for image in source[2:6:2]] == ["phantom:mammogram/test/0", "phantom:chest/test/1"]
    for index in range(4):
        image, example = source[index], phantom_example("test", index)
        assert image.id == image.group == example.id
        assert open_image(image.image).size == (image.width, image.height)
        assert {(r.label, r.box_xyxy) for r in example.regions} <= {(r.label, r.box_xyxy) for r in image.regions}
        for region in image.regions:
            mask_hw = region.mask_hw(image.width, image.height)
            assert mask_hw is not None
            assert mask_hw.any()
        if example.kind == "attribute" and example.answer_type != "yes_no":
            (about,) = [i for i, region in enumerate(image.regions) if region.box_xyxy == example.regions[0].box_xyxy]
            assert example.answer in image.attributes[about].values()
    assert source.issues.counts == {}


def test_a_source_makes_nothing_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from vitar.data.sources.source import AnnotatedSource, Issues

    made = []

    def make(number: int) -> AnnotatedImage:
        made.append(number)
        ref = ImageRef(f"{number}.png")
        return AnnotatedImage(f"{number}", ref, 4, 4, (), "", "", "s", "", "", f"{number}")

    source = AnnotatedSource(range(1000), make, Issues())
    part = source[10:20]
    assert (len(source), len(part), made) == (1000, 10, [])
    assert [part[0].id, part[-1].id, source[-1].id] == ["10", "19", "999"]
    assert made == [10, 19, 999]
    assert np.all([part.issues is source.issues])
    with pytest.raises(IndexError):
        part[10]
