"""Batches of like length, and halves of them where memory is short."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from vitar.backends.batching import as_memory_allows, is_out_of_memory, length_sorted
from vitar.backends.local import LocalBackend, Sampling
from vitar.protocol.messages import Message
from vitar.protocol.prompts import direct_messages


def test_batches_hold_conversations_of_like_length_the_longest_first() -> None:
    assert length_sorted([5, 90, 7, 80, 5, 85], 2) == [[1, 5], [3, 2], [0, 4]]
    assert length_sorted([1, 1, 1], 2) == [[0, 1], [2]]
    assert length_sorted([], 2) == []


def test_a_batch_is_halved_until_it_fits(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[list[int]] = []

    def run(batch: Sequence[int]) -> list[str]:
        tried.append(list(batch))
        if sum(batch) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return [f"did {number}" for number in batch]

    with caplog.at_level(logging.WARNING):
        done = as_memory_allows(run, [20, 4, 3, 2, 1], lambda problem: problem)
    assert done == ["CUDA out of memory. Tried to allocate 2 GiB", "did 4", "did 3", "did 2", "did 1"]
    assert tried == [[20, 4, 3, 2, 1], [20, 4, 3], [20, 4], [20], [4], [3], [2, 1]]
    assert caplog.messages[0] == "a batch of 5 does not fit into memory; it is run in two halves"
    tried.clear()
    assert as_memory_allows(run, [6, 4], str) == ["did 6", "did 4"]
    assert tried == [[6, 4]], "what follows a batch that was too large is tried whole"


def test_other_errors_are_not_about_memory() -> None:
    def broken(batch: Sequence[int]) -> list[str]:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        as_memory_allows(broken, [1, 2], str)
    assert is_out_of_memory(
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
    )
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_an_allocation_that_is_impossible_is_known_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def questions() -> list[list[Message]]:
    """Of different lengths, by their images and by their words."""
    small, large = Image.new("L", (64, 64), 90), Image.new("L", (128, 128), 90)
    asked = [("Side?", [small]), ("Side?", [large, large, large]), ("Which side is it on? " * 9, [small]), ("X?", [])]
    return [direct_messages(question, (), "closed", images) for question, images in asked]


def test_a_local_model_writes_the_same_in_halves(small_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend.load(str(small_model_dir), device="cpu", sampling=Sampling(max_new_tokens=6), batch_size=3)
    expected = [(done.text, done.token_ids) for done in backend.generate(questions(), ())]
    generate, batches = backend.model.generate, []

    def short_of_memory(**inputs: Any) -> Any:
        batches.append(inputs["input_ids"].shape[0])
        if batches[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return generate(**inputs)

    monkeypatch.setattr(backend.model, "generate", short_of_memory)
    assert [(done.text, done.token_ids) for done in backend.generate(questions(), ())] == expected
    assert batches == [3, 2, 1, 1]

    def always_short(**inputs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTraceback")

    monkeypatch.setattr(backend.model, "generate", always_short)
    for done in backend.generate(questions(), ()):
        assert (done.finish, done.error) == ("error", "the conversation does not fit into memory: CUDA out of memory.")


def test_a_local_model_is_given_conversations_of_like_length(
    small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend.load(str(small_model_dir), device="cpu", sampling=Sampling(max_new_tokens=2), batch_size=2)
    encode, given = backend.encode, []

    def listening(conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> Any:
        encoded = encode(conversations, tools)
        given.append(encoded["attention_mask"].sum(-1).tolist())
        return encoded

    monkeypatch.setattr(backend, "encode", listening)
    backend.generate(questions() * 2, ())
    lengths = [length for batch in given for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert len(given) == 4
