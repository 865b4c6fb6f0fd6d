"""Properties that every phantom family keeps, whatever it draws."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from vitar.data.phantoms import brain, chest, fundus, mammogram
from vitar.data.phantoms.scene import SIDE_PX, SPLITS, Family, LesionSpec, draw, seeded_rng
from vitar.imaging.geometry import Box

FAMILIES = (chest.FAMILY, brain.FAMILY, mammogram.FAMILY, fundus.FAMILY)
GAP_PX = 12

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def some_spec(
    family: Family, rng: np.random.Generator, location: str | None = None, scale: float | None = None
) -> LesionSpec:
    """A random valid specification, with the location or the scale fixed if given."""
    kind = str(rng.choice(family.kinds))
    attributes = {name: str(rng.choice(values)) for name, values in family.attributes[kind].items()}
    where = location or str(rng.choice(family.locations))
    return LesionSpec(kind, where, attributes, scale or float(rng.uniform(0.75, 1.4)))


def every_spec(family: Family) -> list[LesionSpec]:
    """Each kind, and each value of each attribute, at least once; all other attributes at their first value."""
    specs = []
    for kind in family.kinds:
        first = {name: values[0] for name, values in family.attributes[kind].items()}
        if not first:
            specs.append(LesionSpec(kind, family.locations[0], {}))
        for name, values in family.attributes[kind].items():
            specs += [LesionSpec(kind, family.locations[0], {**first, name: value}) for value in values]
    return specs


HALF_OF_WORD = {
    # Frontal and axial views show the patient's left on the right; the eye is a right one; the nipple points right.
    **dict.fromkeys(("left", "nasal", "anterior"), ("x", 1)),
    **dict.fromkeys(("right", "temporal", "posterior"), ("x", -1)),
    **dict.fromkeys(("upper", "superior"), ("y", -1)),
    **dict.fromkeys(("lower", "inferior"), ("y", 1)),
}
"""Word of a location -> axis and direction, from the image center, of the half that it names."""


def is_within(box: Box, location: str) -> bool:
    """Whether the whole box lies in the halves of the image that the words of ``location`` name."""
    spans = {"x": (box.x0, box.x1), "y": (box.y0, box.y1)}
    halves = [HALF_OF_WORD[word] for word in location.split() if word in HALF_OF_WORD]
    assert halves, location
    return all(direction * (edge - SIDE_PX / 2) > 0 for axis, direction in halves for edge in spans[axis])


@each_family
def test_a_family_names_attributes_for_exactly_its_kinds(family):
    assert set(family.attributes) == set(family.kinds)
    assert all(len(set(values)) == len(values) >= 2 for of in family.attributes.values() for values in of.values())


@each_family
def test_the_same_identity_gives_the_same_pixels(family):
    plan = (some_spec(family, seeded_rng("repeat", family.name)),)
    first, second, other = (draw(family, "train", index, plan) for index in (3, 3, 4))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.lesions[0].mask_hw, second.lesions[0].mask_hw)
    assert (first.image != other.image).mean() > 0.2


@each_family
def test_splits_do_not_share_images(family):
    images = [draw(family, split, 0, ()).image for split in SPLITS]
    assert all((a != b).mean() > 0.2 for a, b in combinations(images, 2))


@each_family
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_one_mask_per_planned_lesion(family, count):
    rng = seeded_rng("count", family.name, count)
    plan = tuple(some_spec(family, rng, family.locations[i % len(family.locations)]) for i in range(count))
    image, masks = family.render(plan, seeded_rng(count), False)
    assert image.dtype == np.uint8
    assert image.shape in {(SIDE_PX, SIDE_PX), (SIDE_PX, SIDE_PX, 3)}
    assert len(masks) == count
    assert all(mask.dtype == bool and mask.shape == (SIDE_PX, SIDE_PX) and mask.any() for mask in masks)


@each_family
def test_each_lesion_lies_in_its_planned_location(family):
    rng = seeded_rng("side", family.name)
    for index in range(12):
        location = family.locations[index % len(family.locations)]
        for scale in (0.75, 1.4):
            (lesion,) = draw(family, "test", index, (some_spec(family, rng, location, scale),)).lesions
            assert is_within(lesion.box, location), (lesion.box, location)


@each_family
def test_lesions_keep_apart_even_at_full_size_in_one_location(family):
    rng = seeded_rng("apart", family.name)
    for index in range(6):
        same, other = (family.locations[(index + step) % len(family.locations)] for step in (0, 1))
        plan = tuple(some_spec(family, rng, location, 1.4) for location in (same, same, other))
        for first, second in combinations(draw(family, "train", index, plan).lesions, 2):
            distance = ndimage.distance_transform_edt(~first.mask_hw)[second.mask_hw].min()
            assert distance >= GAP_PX


@each_family
def test_a_lesion_changes_the_image_where_its_mask_is(family):
    for index, spec in enumerate(every_spec(family)):
        rng_identity = ("difference", family.name, index)
        with_lesion, (mask,) = family.render((spec,), seeded_rng(*rng_identity), False)
        without, _ = family.render((), seeded_rng(*rng_identity), False)
        changed = with_lesion != without
        changed = changed.any(axis=-1) if changed.ndim == 3 else changed
        assert changed[mask].mean() > 0.8, spec
        # Nothing changes beyond the soft surroundings (blur, halo, oedema) of the lesion.
        assert not changed[ndimage.distance_transform_edt(~mask) > 24].any(), spec


@each_family
def test_scale_sets_the_size(family):
    spec = every_spec(family)[0]
    small, large = (
        draw(family, "train", 0, (LesionSpec(spec.kind, spec.location, spec.attributes, scale),)).lesions[0]
        for scale in (0.75, 1.4)
    )
    assert large.diameter_px / small.diameter_px > 1.5
    assert 25 < small.diameter_px < large.diameter_px < 80


@each_family
def test_attribute_values_share_size_and_brightness(family):
    """The first look sees size and mean brightness: neither may give away what only the crop should show."""
    for kind in family.kinds:
        specs = [spec for spec in every_spec(family) if spec.kind == kind]  # one for a kind without attributes
        diameters, levels = [], []
        for spec in specs:
            drawn = [draw(family, "train", index, (spec,)) for index in range(8)]
            diameters.append(np.mean([phantom.lesions[0].diameter_px for phantom in drawn]))
            levels.append(np.mean([phantom.image[phantom.lesions[0].mask_hw].mean() for phantom in drawn]))
        assert max(diameters) / min(diameters) < 1.12, dict(zip(map(str, specs), diameters, strict=True))
        assert max(levels) - min(levels) < 10, dict(zip(map(str, specs), levels, strict=True))


@pytest.mark.parametrize(
    ("family", "kind", "attribute"),
    [
        (chest.FAMILY, "solid nodule", "calcification"),
        (brain.FAMILY, "haemorrhage", "texture"),
        (brain.FAMILY, "mass", "core"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_inner_detail_vanishes_when_the_image_is_halved(family, kind, attribute):
    others = {name: values[0] for name, values in family.attributes[kind].items()}
    images = []
    for value in family.attributes[kind][attribute]:
        spec = LesionSpec(kind, family.locations[0], {**others, attribute: value})
        image, (mask,) = family.render((spec,), seeded_rng("halved", family.name), False)
        images.append(image.astype(float))
    halved = [image.reshape(SIDE_PX // 2, 2, SIDE_PX // 2, 2).mean(axis=(1, 3)) for image in images]
    for (a, half_a), (b, half_b) in combinations(zip(images, halved, strict=True), 2):
        assert np.abs(a - b)[mask].mean() > 2
        # Rounding and, in the brightest blood, the top of the window leave less than one gray level on average.
        assert np.abs(half_a - half_b)[mask[::2, ::2]].mean() < 1


@each_family
def test_shifted_images_have_other_noise(family):
    def noise(split: str) -> float:
        """Median standard deviation of the difference of neighboring pixels, over images."""
        spread = []
        for index in range(6):
            image = draw(family, split, index, ()).image.astype(float)
            gray = image if image.ndim == 2 else image.mean(axis=-1)
            center = gray[128:-128, 128:-128]
            spread.append(np.diff(center, axis=1).std())
        return float(np.median(spread))

    assert abs(noise("shifted") / noise("train") - 1) > 0.08


@each_family
def test_shifted_lesions_are_smaller_and_fainter(family):
    """The same lesion in the same anatomy: its area, and how far it changes the image inside of its mask."""
    ratios = []
    for number, spec in enumerate(every_spec(family)):
        drawn = []
        for shifted in (False, True):
            image, (mask,) = family.render((spec,), seeded_rng("shift", family.name, number), shifted)
            bare, _ = family.render((), seeded_rng("shift", family.name, number), shifted)
            change = np.abs(image.astype(float) - bare.astype(float)).reshape(SIDE_PX, SIDE_PX, -1).mean(axis=-1)
            drawn.append((mask.sum(), change[mask].mean()))
        ratios.append(np.divide(drawn[1], drawn[0]))
    area, contrast = np.median(ratios, axis=0)
    assert 0.6 < area < 0.85
    assert 0.5 < contrast < 0.95
