"""A zoom shows the original's own pixels and knows where they lie."""

import numpy as np
import pytest
from PIL import Image

from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import MAX_ASPECT, MIN_CROP_PX, zoom

FRAME = Frame.original(300, 200)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8))


@pytest.mark.parametrize(
    ("xyxy", "margin", "crop", "size"),
    [
        ((100, 50, 140, 90), 0.25, (90, 40, 150, 100), (120, 120)),
        ((100, 50, 140, 90), 0.0, (100, 50, 140, 90), (120, 120)),
        ((0, 0, 40, 40), 0.25, (0, 0, 60, 60), (120, 120)),  # shifted, not cut
        ((260, 160, 300, 200), 0.25, (240, 140, 300, 200), (120, 120)),
        ((100, 50, 102, 52), 0.25, (85, 35, 117, 67), (120, 120)),  # minimum size
        ((100, 50, 190, 60), 0.0, (100, 39, 190, 71), (120, 43)),  # the minimum comes before the aspect
        ((0, 100, 300, 120), 0.0, (0, 60, 300, 160), (300, 100)),  # 15:1 widened to 3:1
        ((140, 0, 150, 200), 0.0, (111, 0, 178, 200), (67, 200)),
        ((0, 0, 300, 200), 0.25, (0, 0, 300, 200), (300, 200)),  # larger than side_px: pixels kept
        ((-50, 50, 40, 90), 0.0, (0, 50, 40, 90), (120, 120)),  # the part outside is ignored
    ],
)
def test_crop_and_size(xyxy: tuple[float, ...], margin: float, crop: tuple[int, ...], size: tuple[int, int]) -> None:
    image, box = zoom(NOISE, Box(*xyxy, FRAME), 120, margin)
    assert box.xyxy == crop
    assert box.frame == FRAME
    assert image.size == size


def test_a_large_crop_holds_the_very_pixels() -> None:
    image, box = zoom(NOISE, Box(20, 30, 220, 180, FRAME), 120, 0)
    assert image.tobytes() == NOISE.crop(box.pixels()).tobytes()


def test_enlarging_invents_nothing() -> None:
    image, _ = zoom(Image.new("RGB", (300, 200), (10, 200, 30)), Box(10, 10, 50, 50, FRAME), 448)
    assert image.getcolors() == [(448 * 448, (10, 200, 30))]


def test_any_box_gives_a_crop_that_holds_it() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        corners = np.sort(rng.uniform(0, 1, (2, 2)) ** 2, axis=0) * (300, 200)
        box = Box(*corners.ravel(), FRAME)
        image, crop = zoom(NOISE, box, 120, float(rng.uniform(0, 0.5)))
        x0, y0, x1, y1 = box.pixels()
        assert crop.is_valid
        assert crop.x0 <= x0 < x1 <= crop.x1
        assert crop.y0 <= y0 < y1 <= crop.y1
        assert min(crop.width, crop.height) >= MIN_CROP_PX
        assert max(crop.width / crop.height, crop.height / crop.width) <= MAX_ASPECT
        assert max(image.size) >= 120


def test_a_landmark_appears_where_the_frame_says() -> None:
    pixels = np.zeros((200, 300), dtype=np.uint8)
    pixels[120:124, 210:216] = 255  # y then x: a swap of the axes would look elsewhere
    landmark = Box(210, 120, 216, 124, FRAME)
    image, crop = zoom(Image.fromarray(pixels), Box(650, 500, 800, 700, FRAME.thousandths()), 448)
    bright = np.argwhere(np.asarray(image) > 127)
    found = Box(
        bright[:, 1].min(),
        bright[:, 0].min(),
        bright[:, 1].max() + 1,
        bright[:, 0].max() + 1,
        Frame.over(crop, *image.size),
    )
    assert np.abs(np.subtract(found.xyxy_original, landmark.xyxy)).max() < 1


def test_a_tiny_image_is_shown_whole() -> None:
    image, box = zoom(Image.new("L", (5, 3)), Box(1, 1, 2, 2, Frame.original(5, 3)), 100)
    assert box.xyxy == (0, 0, 5, 3)
    assert image.size == (100, 60)
    thin, _ = zoom(Image.new("L", (900, 1)), Box(0, 0, 400, 1, Frame.original(900, 1)), 2000)
    assert thin.size == (2000, round(2000 / 600))


def test_callers_mistakes_raise() -> None:
    box = Box(1, 1, 2, 2, FRAME)
    with pytest.raises(ValueError, match="side_px"):
        zoom(NOISE, box, 0)
    with pytest.raises(ValueError, match="margin"):
        zoom(NOISE, box, 10, float("nan"))
    with pytest.raises(ValueError, match="no frame over"):
        zoom(NOISE, Box(1, 1, 2, 2, Frame.original(200, 300)), 10)
    for bad in [(400, 0, 500, 10), (10, 10, 10, 20), (20, 20, 10, 10), (float("nan"), 0, 10, 10)]:
        with pytest.raises(ValueError, match="no part in an image"):
            zoom(NOISE, Box(*bad, FRAME), 10)
