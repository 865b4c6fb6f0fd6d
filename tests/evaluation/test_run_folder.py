"""What a run keeps of its examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vitar.data.example import Region
from vitar.data.phantoms.dataset import phantom_example
from vitar.evaluation.run_folder import keep_examples


def test_a_run_over_regions_with_masks_keeps_their_boxes_and_goes_on(tmp_path: Path) -> None:
    mask_hw = np.zeros((512, 512), dtype=bool)
    mask_hw[10:20, 30:60] = True
    region = Region.of_mask("nodule", mask_hw)
    example = replace(phantom_example("test", 0), regions=(region,))
    for _ in range(2):  # begun, and gone on with
        (kept,) = keep_examples(tmp_path, [example])
        assert kept.regions == (replace(region, mask=None),)
