"""Fixtures that more than one test file needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def small_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with the embedded model's tokenizer recipe and architecture, narrow and with random weights."""
    from vitar.training.base.architecture import build_model, build_processor
    from vitar.training.base.corpus import corpus
    from vitar.training.base.tokenizer import build_tokenizer

    folder = tmp_path_factory.mktemp("small-model")
    torch.manual_seed(0)
    processor = build_processor(build_tokenizer(corpus(0), 1024))
    build_model(processor.tokenizer, text_width=48, vision_width=32).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
