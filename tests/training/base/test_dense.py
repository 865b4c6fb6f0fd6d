import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from vitar.data.phantoms.dataset import FAMILIES, phantom
from vitar.training.base.dense import Seen, Vocabulary, collate, grid_hw, seen_in, size_word, token_targets
from vitar.training.base.lessons import whole_view
from vitar.training.base.pictures import Picture, _turned
from vitar.training.masking import IGNORE

VOCABULARY = Vocabulary(("a/mass", "b/mass"), (("a/mass/margin", ("smooth", "rough")), ("b/mass/core", ("x", "y"))))


def test_targets_of_a_lesion_worked_by_hand() -> None:
    # 2 rows x 4 columns; the box covers token (0, 1) wholly and a tenth of its right neighbour
    lesion = Seen("b/mass", {"b/mass/core": "y"}, (1 / 4, 0.0, 2.1 / 4, 1 / 2))
    targets = token_targets([lesion], (2, 4), VOCABULARY)
    assert targets.kind_T.tolist() == [0, 2, IGNORE, 0, 0, 0, 0, 0]
    assert targets.box_T4[1].tolist() == pytest.approx([0.55, 0.5, 1.1, 1.0])
    assert targets.box_T4[:, 0].isnan().tolist() == [True, False, True, True, True, True, True, True]
    assert targets.attributes_TA[1].tolist() == [IGNORE, 1]
    assert (targets.attributes_TA[[0, 2, 3]] == IGNORE).all()


def test_a_small_lesion_still_holds_the_token_it_lies_in() -> None:
    targets = token_targets([Seen("a/mass", {"a/mass/margin": "rough"}, (0.6, 0.6, 0.65, 0.65))], (4, 4), VOCABULARY)
    assert targets.kind_T.tolist().index(1) == 2 * 4 + 2


def test_corners_are_steps_of_the_picture_where_it_is_pointed_at() -> None:
    box = (0.3, 0.3, 0.364, 0.4)
    pointed, not_pointed = (
        token_targets([Seen("a/mass", {}, box, pointed_at)], (4, 4), VOCABULARY) for pointed_at in (True, False)
    )
    held = pointed.kind_T == 1
    assert held.sum() == 1
    assert pointed.corners_T4[held].tolist() == [[30, 30, 36, 40]]
    assert (pointed.corners_T4[~held] == IGNORE).all()
    assert (not_pointed.corners_T4 == IGNORE).all()


def test_a_whole_image_shows_places_and_sizes_and_a_region_fine_attributes() -> None:
    scene = next(p for i in range(20) if (p := phantom("chest", "train", i)).lesions)
    spec, view = scene.lesions[0].spec, whole_view(scene)
    (seen, *_) = seen_in(scene, view, whole=True)
    assert np.multiply(seen.xyxy, 512) == pytest.approx(scene.lesions[0].box.xyxy)
    assert seen.kind == f"chest/{spec.kind}"
    assert seen.attributes == {"chest/location": spec.location, "size": size_word(spec)}
    (close, *_) = seen_in(scene, view, whole=False)
    assert set(close.attributes.values()) == set(spec.attributes.values())
    assert seen.pointed_at
    assert not close.pointed_at
    vocabulary = dict(Vocabulary.of(tuple(FAMILIES.values())).attributes)
    assert all(value in vocabulary[name] for name, value in {**seen.attributes, **close.attributes}.items())


@pytest.mark.parametrize("symmetry", range(8))
def test_a_turned_picture_has_turned_boxes(symmetry: int) -> None:
    pixels = np.zeros((40, 60), dtype=np.uint8)
    pixels[10:20, 6:24] = 255
    turned = _turned(Picture(pixels, (Seen("a/mass", {}, (0.1, 0.25, 0.4, 0.5)),)), symmetry)
    rows, columns = np.nonzero(turned.pixels)
    height, width = turned.pixels.shape
    found = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)
    assert turned.lesions[0].xyxy == pytest.approx(found)


def test_vocabulary_covers_every_family() -> None:
    vocabulary = Vocabulary.of(tuple(FAMILIES.values()))
    assert len(vocabulary.kinds) == sum(len(family.kinds) for family in FAMILIES.values())
    assert all(len(values) > 1 for _, values in vocabulary.attributes)


def test_collate_pads_on_the_right() -> None:
    targets = [token_targets([], (1, 1), VOCABULARY)]
    row = {"image_grid_thw": torch.tensor([[1, 2, 2]]), "pixel_values": torch.zeros(4, 3), "targets": targets}
    rows = [row | {"input_ids": torch.arange(1, n + 1), "labels": torch.arange(1, n + 1)} for n in (1, 3)]
    batch = collate(rows, pad_token_id=9)
    assert_array_equal(batch["input_ids"], [[1, 9, 9], [1, 2, 3]])
    assert_array_equal(batch["labels"], [[1, IGNORE, IGNORE], [1, 2, 3]])
    assert batch["dense"]["kind"].shape == (2,)
    assert grid_hw(batch["image_grid_thw"][0]) == (1, 1)
