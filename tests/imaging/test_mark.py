"""Outlines pixel by pixel: around the box, never over it, visible on any background."""

import numpy as np
import pytest
from PIL import Image

from vitar.imaging.geometry import Box, Frame
from vitar.imaging.mark import line_px, mark_region


def test_exact_pixels_on_8_by_8() -> None:
    image = Image.new("L", (8, 8), 90)
    marked = mark_region(image, [Box(3, 3, 5, 5, Frame.original(8, 8))])
    rows = """
        . . . . . . . .
        . # # # # # # .
        . # . . . . # .
        . # . o o . # .
        . # . o o . # .
        . # . . . . # .
        . # # # # # # .
        . . . . . . . .
    """
    values = {".": 0, "#": 255, "o": 90}
    assert np.asarray(marked).tolist() == [[values[c] for c in row.split()] for row in rows.strip().splitlines()]
    assert marked.mode == "L"
    assert image.tobytes() == bytes([90] * 64), "the input was changed"


def test_colours_on_rgb() -> None:
    marked = np.asarray(mark_region(Image.new("RGB", (8, 8), (9, 9, 9)), [Box(3, 3, 5, 5, Frame.original(8, 8))]))
    assert marked[3, :4].tolist() == [[255, 255, 255], [255, 0, 0], [255, 255, 255], [9, 9, 9]]


@pytest.mark.parametrize(("size", "width"), [((8, 8), 1), ((256, 100), 2), ((512, 512), 3), ((100, 2048), 12)])
def test_the_line_grows_with_the_image(size: tuple[int, int], width: int) -> None:
    assert line_px(Image.new("L", size)) == width


def test_the_marked_pixels_stay_visible_even_when_they_are_few() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(50, 200, (64, 96), dtype=np.uint8))
    frame = Frame.original(96, 64)
    for _ in range(200):
        x0, y0 = rng.integers(0, (93, 61))
        box = Box(x0, y0, x0 + 3, y0 + 3, frame)
        marked = mark_region(image, [box])
        assert marked.crop(box.pixels()).tobytes() == image.crop(box.pixels()).tobytes()
        assert 255 in marked.tobytes()


def test_at_the_border_the_outline_moves_inwards() -> None:
    whole = np.asarray(mark_region(Image.new("L", (16, 16), 90), [Frame.original(16, 16).full_box]))
    assert whole[8].tolist() == [0, 255, 0] + [90] * 10 + [0, 255, 0]


def test_a_box_counts_on_its_own_grid_and_its_axes_are_not_swapped() -> None:
    image = Image.new("L", (80, 20), 90)
    frame = Frame.original(80, 20)
    on_grid = mark_region(image, [Box(500, 500, 600, 600, frame.thousandths())])
    assert on_grid.tobytes() == mark_region(image, [Box(40, 10, 48, 12, frame)]).tobytes()
    with pytest.raises(ValueError, match="no frame of an image"):
        mark_region(image, [Box(10, 40, 12, 48, Frame.original(20, 80))])


def test_edges_never_cover_a_line() -> None:
    frame = Frame.original(32, 32)
    boxes = [Box(8, 8, 14, 14, frame), Box(16, 8, 22, 14, frame)]
    both = np.asarray(mark_region(Image.new("L", (32, 32), 90), boxes))
    for box in boxes:
        alone = np.asarray(mark_region(Image.new("L", (32, 32), 90), [box]))
        assert (both[alone == 255] == 255).all()


def test_no_boxes_give_a_copy() -> None:
    image = Image.new("L", (8, 8), 90)
    marked = mark_region(image, [])
    assert marked is not image
    assert marked.tobytes() == image.tobytes()


def test_callers_mistakes_raise() -> None:
    box = Box(3, 3, 5, 5, Frame.original(8, 8))
    with pytest.raises(ValueError, match="mode L or RGB, got RGBA"):
        mark_region(Image.new("RGBA", (8, 8)), [box])
    with pytest.raises(ValueError, match="no part in the image"):
        mark_region(Image.new("L", (8, 8)), [Box(9, 9, 12, 12, box.frame)])
