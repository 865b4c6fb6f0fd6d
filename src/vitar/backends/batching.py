"""Which conversations share a forward pass, and what is done when they do not fit into memory together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)

Conversation = TypeVar("Conversation")
Result = TypeVar("Result")


def length_sorted(lengths: Sequence[float], size: int) -> list[list[int]]:
    """Places of the conversations in batches of up to ``size``, the longest first.

    Conversations of like length need little padding, and a lack of memory shows in the first batch. Those of one length
    stay in their order.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    return [order[start : start + size] for start in range(0, len(order), size)]


def as_memory_allows(
    run: Callable[[Sequence[Conversation]], list[Result]],
    batch: Sequence[Conversation],
    too_large: Callable[[str], Result],
) -> list[Result]:
    """The results of a batch, which is halved as often as it does not fit into memory.

    The next batch is tried whole again: what a batch is made of then depends on nothing that was generated before, and
    a run that was interrupted goes on with the same batches.

    Args:
        too_large: what stands for a conversation that does not fit alone, from the message of the allocator.
    """
    try:
        return run(batch)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        problem = str(error)
    # Here and not in the except clause, where the traceback would still hold the tensors of the failed pass.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(batch) == 1:
        return [too_large(problem)]
    half = (len(batch) + 1) // 2
    logger.warning("a batch of %d does not fit into memory; it is run in two halves", len(batch))
    return [*as_memory_allows(run, batch[:half], too_large), *as_memory_allows(run, batch[half:], too_large)]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocation failed, on a GPU or on the CPU, for which torch 2.13 has no exception of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
