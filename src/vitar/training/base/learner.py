"""The base model together with the linear probes that teach its vision tower.

The probes read every visual token and predict what lies under it: lesion kind, box, fine attributes. They are
thrown away after training; the model that ships is the transformers model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from vitar.training.base.dense import Vocabulary
from vitar.training.base.tokenizer import corner_tokens, near_tokens
from vitar.training.masking import IGNORE

BACKGROUND_WEIGHT = 0.2
"""Weight of background tokens in the kind loss: nine in ten tokens hold nothing."""

CORNER_WEIGHT = 0.3
"""Weight of the corners' loss, which starts several times as large as the others."""


EMBEDDING, OUTPUT_LAYER = "model.model.language_model.embed_tokens.weight", "model.lm_head.weight"


class BaseLearner(nn.Module):
    """Computes the loss of the base model on a batch of lessons.

    Args:
        model: what is trained and kept.
        vocabulary: classes of the dense targets.
        dense_weight: weight of the dense loss beside the language loss.
        tokenizer: tells the tokens of coordinates.
    """

    near_tokens: Tensor
    near_weights: Tensor
    corner_tokens: Tensor

    def __init__(
        self,
        model: Qwen3VLForConditionalGeneration,
        vocabulary: Vocabulary,
        dense_weight: float,
        tokenizer: PreTrainedTokenizerFast,
    ) -> None:
        super().__init__()
        ids, shares = near_tokens(tokenizer, model.config.text_config.vocab_size)  # type: ignore[union-attr]
        self.register_buffer("near_tokens", ids, persistent=False)
        self.register_buffer("near_weights", shares, persistent=False)
        self.register_buffer("corner_tokens", corner_tokens(tokenizer), persistent=False)
        self.model, self.dense_weight = model, dense_weight
        width = model.config.text_config.hidden_size  # type: ignore[union-attr]
        self.attribute_sizes = [len(values) for _, values in vocabulary.attributes]
        self.kind_probe = nn.Linear(width, 1 + len(vocabulary.kinds))
        self.box_probe = nn.Linear(width, 4)
        self.corner_probe = nn.Linear(width, 4 * width)
        self.attribute_probe = nn.Linear(width, sum(self.attribute_sizes))

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """All weights once: the output layer shares the input embedding's, and safetensors refuses shared storage."""
        weights = super().state_dict(*args, **kwargs)
        weights.pop(OUTPUT_LAYER, None)
        return weights

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Reads what `state_dict` gives."""
        if EMBEDDING in state_dict:
            state_dict = {**state_dict, OUTPUT_LAYER: state_dict[EMBEDDING]}
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def forward(
        self,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        dense: Mapping[str, Tensor] | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        mm_token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Shapes as `dense.collate` makes them. Pictures without text train the vision tower, text alone the rest.

        Returns:
            loss, a scalar; with text also ``predicted``, the likeliest token for each labelled one [supervised tokens].
        """
        losses: list[Tensor] = []
        features = None
        if pixel_values is not None and dense is not None:
            features = self.model.model.get_image_features(pixel_values, image_grid_thw)
            if self.dense_weight:
                losses.append(self.dense_weight * self.dense_loss(torch.cat(features.pooler_output), **dense))
        if input_ids is None or labels is None:
            return {"loss": torch.stack(losses).sum()}
        hidden_BTD = self.model.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            mm_token_type_ids=mm_token_type_ids,
            image_grid_thw=image_grid_thw,
            mm_encoder_outputs=None if features is None else {"image": features},
        ).last_hidden_state
        targets_BT = labels[:, 1:]
        supervised = targets_BT != IGNORE
        logits_NV = self.model.lm_head(hidden_BTD[:, :-1][supervised])
        losses.append(self.near_loss(logits_NV, targets_BT[supervised]))
        return {"loss": torch.stack(losses).sum(), "predicted": logits_NV.argmax(-1)}

    def near_loss(self, logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """Cross-entropy in which a coordinate beside the right one is nearly right."""
        logprobs_NK = logits_NV.float().log_softmax(-1).gather(-1, self.near_tokens[targets_N])
        return -(logprobs_NK * self.near_weights[targets_N]).sum(-1).mean()

    def dense_loss(self, tokens_VD: Tensor, kind: Tensor, box: Tensor, corners: Tensor, attributes: Tensor) -> Tensor:
        """Kind under every token; box, corners and attributes under tokens that hold a lesion.

        Corners are read as the language model's own coordinate tokens, through its output layer, so that pointing asks
        no more of it than to copy.

        Args:
            tokens_VD: visual tokens as the language model receives them, all images of the batch in a row.
        """
        tokens_VD = tokens_VD.float()
        weight = torch.ones(self.kind_probe.out_features, device=tokens_VD.device)
        weight[0] = BACKGROUND_WEIGHT
        loss = F.cross_entropy(self.kind_probe(tokens_VD), kind, weight, ignore_index=IGNORE)
        held = ~box[:, 0].isnan()
        if held.any():
            loss = loss + F.smooth_l1_loss(self.box_probe(tokens_VD[held]), box[held], beta=0.1)
        inside = corners[:, 0] != IGNORE
        if inside.any():
            read_NKD = self.corner_probe(tokens_VD[inside]).unflatten(-1, (4, -1))
            targets_NK = self.corner_tokens[torch.arange(4, device=corners.device), corners[inside]]
            logits_NV = self.model.lm_head(read_NKD.flatten(0, 1))
            loss = loss + CORNER_WEIGHT * self.near_loss(logits_NV, targets_NK.flatten())
        logits = self.attribute_probe(tokens_VD).split(self.attribute_sizes, dim=-1)
        for values, target in zip(logits, attributes.unbind(-1), strict=True):
            if (target != IGNORE).any():
                share = (target != IGNORE).sum() / (attributes != IGNORE).sum()
                loss = loss + share * F.cross_entropy(values, target, ignore_index=IGNORE)
        return loss
