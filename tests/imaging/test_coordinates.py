"""What a teacher writes about a view is valid on the wire and means the box it came from."""

import numpy as np
import pytest
from PIL import Image

from vitar.imaging.coordinates import THOUSANDTHS, Coordinates, ResizedPixels, View, rounded
from vitar.imaging.geometry import Box, Frame


def _halved(width: int, height: int) -> tuple[int, int]:
    return width // 2, height // 2


ORIGINAL = Frame.original(640, 480)
WHOLE = View(Image.new("L", (640, 480)), ORIGINAL)
CROP = View(Image.new("L", (400, 200)), Frame(400, 200, 100, 200, 300, 300))


def test_frames() -> None:
    assert THOUSANDTHS.frame(CROP) == Frame(1000, 1000, 100, 200, 300, 300)
    assert ResizedPixels(_halved).frame(CROP) == Frame(200, 100, 100, 200, 300, 300)
    assert repr(THOUSANDTHS) == "THOUSANDTHS"


@pytest.mark.parametrize(
    ("coordinates", "view", "xyxy", "step", "wire"),
    [
        (THOUSANDTHS, WHOLE, (64, 48, 128, 96), 1, (100, 100, 200, 200)),
        (THOUSANDTHS, CROP, (120, 250, 130, 260), 1, (100, 500, 150, 600)),
        (ResizedPixels(_halved), CROP, (120, 250, 130, 260), 1, (20, 50, 30, 60)),
        (THOUSANDTHS, WHOLE, (66, 48, 131, 96), 10, (100, 100, 200, 200)),
        (THOUSANDTHS, WHOLE, (-50, -50, 6400, 4800), 10, (0, 0, 1000, 1000)),
        (THOUSANDTHS, WHOLE, (320.1, 240.1, 320.2, 240.2), 1, (500, 500, 501, 501)),
        (THOUSANDTHS, WHOLE, (639.9, 479.9, 640, 480), 10, (990, 990, 1000, 1000)),
        (ResizedPixels(_halved), WHOLE, (0, 0, 640, 480), 7, (0, 0, 315, 238)),
    ],
)
def test_to_wire(
    coordinates: Coordinates, view: View, xyxy: tuple[float, ...], step: int, wire: tuple[int, ...]
) -> None:
    assert coordinates.to_wire(Box(*xyxy, ORIGINAL), view, step) == wire


def test_to_wire_is_always_valid_and_near() -> None:
    rng = np.random.default_rng(3)
    for _ in range(500):
        step = int(rng.choice([1, 5, 10]))
        corners = np.sort(rng.uniform(0, 1, (2, 2)) ** 3, axis=0) * (640, 480)
        box = Box(*corners.ravel(), ORIGINAL)
        written = Box(*THOUSANDTHS.to_wire(box, WHOLE, step), THOUSANDTHS.frame(WHOLE))
        assert written.is_valid
        assert all(v % step == 0 for v in written.xyxy)
        assert np.abs(np.subtract(written.xyxy, box.to(written.frame).xyxy)).max() <= step


def test_a_box_that_the_view_does_not_show_raises() -> None:
    with pytest.raises(ValueError, match="no part in the view"):
        THOUSANDTHS.to_wire(Box(0, 0, 50, 50, ORIGINAL), CROP)
    with pytest.raises(ValueError, match="no part in the view"):
        THOUSANDTHS.to_wire(Box(float("nan"), 0, 50, 50, ORIGINAL), WHOLE)


@pytest.mark.parametrize("step", [0, 481])
def test_an_impossible_step_raises(step: int) -> None:
    with pytest.raises(ValueError, match="step must be"):
        rounded(Box(0, 0, 50, 50, ORIGINAL), step)
