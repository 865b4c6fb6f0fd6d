from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.data.curation import duplicates
from vitar.data.curation.alignment import FINE_PX, Pose, align, crop_patterns, flat, render, tangents
from vitar.data.curation.duplicates import find_copies, near_duplicates
from vitar.data.curation.fingerprints import Fingerprint, Gallery, fingerprint
from vitar.data.phantoms.dataset import phantom

sys.path.insert(0, str(Path(__file__).parent))  # for clouds
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))  # programs beside the package

from clouds import clouds  # type: ignore[import-not-found]
from contamination import COPIES


@pytest.fixture(scope="module")
def chests() -> list[Image.Image]:
    """Radiographs of one anatomy, which agree in nearly everything that is coarse."""
    return [Image.fromarray(phantom("chest", "train", number).image) for number in range(10)]


def gallery(images: list[Image.Image]) -> Gallery:
    return Gallery([fingerprint(image) for image in images])


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_nothing_else(name: str, chests: list[Image.Image]) -> None:
    images = [clouds(0), clouds(1, (150, 200)), *chests]
    rng = np.random.default_rng(0)
    places = (0, 1, 2, 7)
    copies = gallery([COPIES[name](images[place], rng) for place in places])
    found = find_copies(copies, gallery(images))
    assert [(copy.query, copy.reference) for copy in found] == list(enumerate(places))


def test_images_of_one_anatomy_are_no_copies(chests: list[Image.Image]) -> None:
    assert near_duplicates(gallery(chests)) == []


def test_look_alikes_are_sought_among_every_modality_of_a_set_that_alternates(
    chests: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    brains = [Image.fromarray(phantom("brain", "train", number).image) for number in range(10)]
    alternating = gallery([image for pair in zip(chests, brains, strict=True) for image in pair])
    monkeypatch.setattr(duplicates, "_POOL", 10)
    assert near_duplicates(alternating) == []
    pool = {each.digest for each in duplicates._Kin((alternating,)).gallery.fingerprints}
    shares = [len(pool & {fingerprint(image).digest for image in images}) for images in (chests, brains)]
    assert sum(shares) == 10
    assert min(shares) > 2


def test_near_duplicates_name_each_pair_once_the_later_image_first(chests: list[Image.Image]) -> None:
    images = [chests[0], clouds(0), *chests[1:], COPIES["jpeg 40"](clouds(0), np.random.default_rng(0)), chests[0]]
    found = near_duplicates(gallery(images))
    assert [(copy.query, copy.reference) for copy in found] == [(11, 1), (12, 0)]
    assert 0.95 < found[0].agreement <= 1
    assert found[1].agreement == 1


def test_many_copies_of_one_image_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(1)
    images = [clouds(3)] + [COPIES["5% cut off somewhere"](clouds(3), rng) for _ in range(9)]
    found = near_duplicates(gallery(images))
    assert {copy.query for copy in found} == set(range(1, 10))


def test_images_that_show_nothing_are_copies_only_where_their_pixels_are_equal() -> None:
    blank = [Image.new("L", (64, 64), 0), Image.new("L", (64, 64), 7), Image.new("L", (64, 64), 0)]
    assert [(c.query, c.reference, c.agreement) for c in near_duplicates(gallery(blank))] == [(2, 0, 1.0)]


def test_a_digest_tells_size_mode_and_pixels() -> None:
    row = Image.frombytes("L", (4, 1), b"abcd")
    column = Image.frombytes("L", (1, 4), b"abcd")
    assert fingerprint(row).digest == fingerprint(row.copy()).digest
    assert len({fingerprint(image).digest for image in (row, column, row.convert("RGB"))}) == 3


def test_nothing_to_compare() -> None:
    empty, one = Gallery([]), gallery([clouds(0)])
    assert find_copies(empty, one) == find_copies(one, empty) == near_duplicates(empty) == near_duplicates(one) == []


def test_the_result_does_not_depend_on_what_else_is_asked() -> None:
    images = [clouds(seed) for seed in range(4)]
    copy = COPIES["5% cut off"](images[2], np.random.default_rng(0))
    alone = find_copies(gallery([copy]), gallery(images))
    together = find_copies(gallery([clouds(9), copy]), gallery(images))
    assert (
        [(c.reference, c.agreement) for c in alone]
        == [(c.reference, c.agreement) for c in together]
        == [(2, alone[0].agreement)]
    )


def thumbnail_of(image: Image.Image) -> np.ndarray:
    return fingerprint(image).thumbnail_hw.astype(np.float32)[None]


def test_alignment_finds_the_crop() -> None:
    whole = clouds(5, (400, 400))
    left, top, right, bottom = 12, 20, 400 - 8, 400 - 4
    part = whole.crop((left, top, right, bottom))
    b_PHW = thumbnail_of(part)
    found = align(thumbnail_of(whole), lambda boxes: render(b_PHW, boxes), Pose.centred(np.ones(1)))
    assert found.whole_P[0] > 0.98
    expected = [(right - left) / 400, (bottom - top) / 400]
    np.testing.assert_allclose(found.pose.scale_P2[0], expected, atol=0.004)
    np.testing.assert_allclose(found.pose.shift_P2[0], [left / 400, top / 400], atol=0.004)


def test_a_pose_over_another_pose() -> None:
    first = Pose(np.array([[0.9, 0.8]]), np.array([[0.05, 0.1]]))
    second = Pose(np.array([[1.1, 0.5]]), np.array([[-0.02, 0.2]]))
    u = np.array([[0.3, 0.6]])
    x_first = first.scale_P2 * u + first.shift_P2
    x_second = second.scale_P2 * u + second.shift_P2
    between = first.over(second)
    np.testing.assert_allclose(between.scale_P2 * x_second + between.shift_P2, x_first)


def test_tangents_are_what_a_small_shift_does() -> None:
    places = np.arange(FINE_PX)
    pattern = np.exp(-((places[None] - 14) ** 2 + (places[:, None] - 18) ** 2) / 40).astype(np.float32)[None]
    pixel = 1 / FINE_PX
    moved = crop_patterns(flat(pattern), np.array([[0.1 * pixel, 0, 1 + 0.1 * pixel, 1]], np.float32))
    along_x = tangents(pattern)[0, 0].reshape(FINE_PX, FINE_PX) * (0.2 * pixel)  # a shift per half of the side
    np.testing.assert_allclose((moved - pattern)[0, 2:-2, 2:-2], along_x[2:-2, 2:-2], atol=0.003)
    assert along_x.max() > 0.01


def test_a_fingerprint_is_small() -> None:
    found = fingerprint(clouds(7, (900, 700)))
    assert isinstance(found, Fingerprint)
    assert found.thumbnail_hw.shape == (64, 64)
    assert found.thumbnail_hw.dtype == np.uint8
