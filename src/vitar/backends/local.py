"""Generation with a transformers image-text-to-text model on this machine."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, ProcessorMixin

from vitar.backends.base import Completion, Finish
from vitar.backends.batching import as_memory_allows, length_sorted
from vitar.backends.memory import watch_peak
from vitar.backends.placeholders import check_placeholders
from vitar.backends.plain import without_tools
from vitar.backends.pretrained import load_model, load_processor
from vitar.backends.profiles import Profile, profile_of
from vitar.protocol.actions import tool_schemas
from vitar.protocol.messages import Message, images_in, message_text
from vitar.protocol.templates import HERMES_TEMPLATE


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen, whatever a model's own generation settings say.

    Args:
        temperature: 0 takes the most likely token.
        top_p: nucleus, with a temperature.
        max_new_tokens: limit of one turn; a turn that reaches it is truncated.
        logprobs: keep the probability of every token; holds the whole vocabulary's for each step while generating.
        seed: of sampling. The same seed, batch of texts and machine give the same tokens, whatever came before; to
            sample one conversation several times, use several seeds, or put it into one batch several times.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    logprobs: bool = False
    seed: int = 0


class LocalBackend:
    """A model and its processor as a `Backend`.

    Args:
        model, processor: as `load_model` and `load_processor` give them.
        batch_size: conversations per forward pass; fewer where they do not fit into memory.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        *,
        name: str,
        sampling: Sampling = Sampling(),
        batch_size: int = 16,
    ) -> None:
        self.model, self.processor, self.name = model, processor, name
        self.sampling, self.batch_size = sampling, batch_size
        self.profile: Profile = profile_of(model.config, processor)
        self.coordinates = self.profile.coordinates
        self.coordinate_step = self.profile.coordinate_step
        self.zoom_side_px = self.profile.zoom_side_px
        self._tokenizer = processor.tokenizer
        self._ends = _end_tokens(model, processor)

    @classmethod
    def load(
        cls,
        model: str,
        *,
        device: str | None = None,
        sampling: Sampling = Sampling(),
        batch_size: int = 16,
    ) -> LocalBackend:
        """Loads a Hub id, a path or an embedded model onto ``device`` (a GPU if there is one)."""
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            load_model(model, device), load_processor(model), name=model, sampling=sampling, batch_size=batch_size
        )

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        lengths = [_length(conversation) for conversation in conversations]
        completions: dict[int, Completion] = {}
        for places in length_sorted(lengths, self.batch_size):
            batch = [conversations[place] for place in places]
            done = as_memory_allows(lambda part: self._generate_batch(part, tools), batch, _too_large)
            completions.update(zip(places, done, strict=True))
        return [completions[place] for place in range(len(conversations))]

    def with_sampling(self, temperature: float, seed: int) -> LocalBackend:
        """The same model in memory, drawing its tokens with another temperature and seed."""
        other = copy.copy(self)
        other.sampling = replace(self.sampling, temperature=temperature, seed=seed)
        return other

    def encode(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> dict[str, Tensor]:
        """Model inputs for the next assistant turn, left-padded, on the model's device.

        Raises:
            PlaceholderMismatch: images and placeholders of the batch disagree.
        """
        native = self.profile.tools_in_template
        messages: Any = [list(c) if native else without_tools(c, tools, HERMES_TEMPLATE) for c in conversations]
        encoded: Any = self.processor.apply_chat_template(
            messages,
            tools=(tool_schemas(list(tools)) or None) if native else None,
            chat_template=self.profile.chat_template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        )
        check_placeholders(encoded, sum(len(images_in(c)) for c in conversations), self.processor)
        return {name: value.to(self.model.device) for name, value in encoded.items()}

    def _generate_batch(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        started, peak = time.perf_counter(), watch_peak(self.model.device)
        inputs = self.encode(conversations, tools)
        sampled = self.sampling.temperature > 0
        if sampled:
            torch.manual_seed(_batch_seed(self.sampling.seed, inputs["input_ids"]))
        with torch.inference_mode():
            output = self.model.generate(  # type: ignore[operator]
                **inputs,
                do_sample=sampled,
                temperature=self.sampling.temperature if sampled else None,
                top_p=self.sampling.top_p if sampled else None,
                top_k=0 if sampled else None,
                repetition_penalty=1.0,  # some models' generation settings have another; TRL samples with this
                max_new_tokens=self.sampling.max_new_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
                eos_token_id=list(self._ends),
                return_dict_in_generate=True,
                output_logits=self.sampling.logprobs,
            )
        new_BT = output.sequences[:, inputs["input_ids"].shape[1] :]
        logprobs = [None] * len(new_BT)
        if self.sampling.logprobs:
            logits_BTV = torch.stack(output.logits, dim=1).float() / (self.sampling.temperature or 1.0)
            logprobs = logits_BTV.log_softmax(-1).gather(-1, new_BT[..., None])[..., 0].tolist()
        prompt_tokens = inputs["attention_mask"].sum(-1).tolist()
        image_tokens = (inputs["input_ids"] == self.processor.image_token_id).sum(-1).tolist()  # type: ignore[attr-defined]
        seconds = (time.perf_counter() - started) / len(conversations)
        return [
            self._completion(ids, log, prompt, images, seconds, peak())
            for ids, log, prompt, images in zip(new_BT.tolist(), logprobs, prompt_tokens, image_tokens, strict=True)
        ]

    def _completion(
        self,
        ids: list[int],
        logprobs: list[float] | None,
        prompt_tokens: int,
        image_tokens: int,
        seconds: float,
        peak_memory_bytes: int | None,
    ) -> Completion:
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        finish: Finish = "length" if end is None else "stop"
        length = len(ids) if end is None else end + 1
        said = ids[:end]
        text = self._tokenizer.decode(said, skip_special_tokens=True)
        kept = None if logprobs is None else tuple(logprobs[:length])
        return Completion(
            text,
            tuple(ids[:length]),
            kept,
            prompt_tokens,
            finish,
            seconds,
            image_tokens=image_tokens,
            peak_memory_bytes=peak_memory_bytes,
        )


def _length(conversation: Sequence[Message]) -> float:
    """About how many tokens a conversation has: one for four letters, and one for 32 x 32 pixels of an image."""
    pixels = sum(image.width * image.height for image in images_in(conversation))
    return pixels / 32**2 + sum(len(message_text(message)) for message in conversation) / 4


def _end_tokens(model: PreTrainedModel, processor: ProcessorMixin) -> tuple[int, ...]:
    """The tokens that end a turn, by the tokenizer and by the model's generation settings, which may know more."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = {processor.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])}
    return tuple(sorted(end for end in ends if end is not None))


def _too_large(problem: str) -> Completion:
    first_line = problem.partition("\n")[0]
    return Completion("", (), None, 0, "error", 0.0, f"the conversation does not fit into memory: {first_line}")


def _batch_seed(seed: int, input_ids_BT: Tensor) -> int:
    """A seed for one batch that depends on its text alone, so that an interrupted run goes on as if it had not been."""
    digest = hashlib.sha256(f"{seed} {tuple(input_ids_BT.shape)} ".encode())
    digest.update(input_ids_BT.cpu().numpy().tobytes())
    return int.from_bytes(digest.digest()[:7], "big")
