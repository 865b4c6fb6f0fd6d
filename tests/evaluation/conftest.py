"""Examples with small images, made in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vitar.data.example import Example

sys.path.insert(0, str(Path(__file__).parent))  # for scripted_run, which is a program as well as a module


@pytest.fixture
def make_example() -> Callable[..., Example]:
    """``make_example(number, regions=…, answer=…, kind=…, answer_type=…, options=…, group=…)``; 200 x 100 pixels."""
    from scripted_run import example

    return example
