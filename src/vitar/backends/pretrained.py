"""Loading of models and processors, by Hub id, by path, or by the name of an embedded model.

Two things differ from a bare ``AutoModel.from_pretrained``. Where torchvision is missing, `AutoProcessor` quietly
returns a bare tokenizer for the Qwen-VL families (transformers 5.23); `load_processor` then builds the family's
processor without its video half. And on a CPU the Conv3d that embeds patches takes a large part of a small model's
time, although its stride equals its kernel, so that one matrix product with the same weights is exact.
"""

from __future__ import annotations

import functools
import http.client
import json
import pickle
import ssl
import types
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants as hub
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
)
from transformers.utils import is_torchvision_available

EMBEDDED_MODELS = ("tiny", "tiny-base")
"""Names of the models that ship in the package: after both training stages, and before them."""

HUB_PATIENCE_S = 5.0
"""How long the Hub may take to answer at all before a model is looked for in the local cache alone."""

# What transformers raises for folders that hold something else than a whole model: missing files and unknown families
# (OSError, ValueError, ImportError), JSON of another shape (LookupError, TypeError), weights that are damaged
# (SafetensorError, UnpicklingError) or do not fit the configuration (RuntimeError).
_LOADING_ERRORS = (
    OSError,
    ValueError,
    ImportError,
    LookupError,
    TypeError,
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
)


class ModelError(ValueError):
    """A model or a processor cannot be loaded; the message says what was found and what to do."""


class _ImageOnly:
    """Constructor of a Qwen-VL processor that has an image processor and a tokenizer, and nothing for video.

    Images are resized by PIL, with or without torchvision: transformers takes torchvision's image processor where it is
    installed, which lacks the embedded model's box filter, and a model would see other pixels on another machine.
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ):
        for name in ("image", "video", "vision_start", "vision_end"):
            token = {"image": "<|image_pad|>", "video": "<|video_pad|>"}.get(name, f"<|{name}|>")
            setattr(self, f"{name}_token", token)
            setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
        if not isinstance(image_processor, Qwen2VLImageProcessorPil):
            image_processor = Qwen2VLImageProcessorPil.from_dict(image_processor.to_dict())
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template, **kwargs)  # type: ignore[arg-type]


class ImageOnlyQwen2VLProcessor(_ImageOnly, Qwen2VLProcessor):
    """`Qwen2VLProcessor` without video."""


class ImageOnlyQwen25VLProcessor(_ImageOnly, Qwen2_5_VLProcessor):
    """`Qwen2_5_VLProcessor` without video."""


class ImageOnlyQwen3VLProcessor(_ImageOnly, Qwen3VLProcessor):
    """`Qwen3VLProcessor` without video; the embedded model's processor."""


_IMAGE_ONLY: dict[str, type[ProcessorMixin]] = {
    "qwen2_vl": ImageOnlyQwen2VLProcessor,
    "qwen2_5_vl": ImageOnlyQwen25VLProcessor,
    "qwen3_vl": ImageOnlyQwen3VLProcessor,
}


def register_processors() -> None:
    """Makes `AutoProcessor` know the image-only processors, for programs that load with it: ``transformers serve``."""
    for model_type, processor in _IMAGE_ONLY.items():
        AutoProcessor.register(CONFIG_MAPPING[model_type], processor, exist_ok=True)


def resolve(model: str) -> str:
    """The folder of an embedded model for its name, anything else as it is.

    Raises:
        ModelError: an embedded model's folder holds no weights, or a path exists but is no model folder.
    """
    if model in EMBEDDED_MODELS:
        folder = Path(__file__).parent.parent / "models" / model
        if not (folder / "model.safetensors").is_file():
            raise ModelError(f"the embedded model {model!r} has no weights in {folder}; reinstall the package")
        return str(folder)
    path = Path(model)
    if path.exists() and not (path / "config.json").is_file():
        found = "a file" if path.is_file() else "a folder without config.json"
        raise ModelError(
            f"{model} is {found}; expected a model folder (config.json, weights, tokenizer, processor), "
            f"a Hub id such as Qwen/Qwen3-VL-8B-Instruct, or one of {', '.join(EMBEDDED_MODELS)}"
        )
    return model


@functools.cache
def hub_answers() -> bool:
    """Whether the Hub can be reached, asked once per process.

    Without a network huggingface_hub retries every file of a model for half a minute. Whoever knows before that there
    is none can look into the local cache at once, which ``HF_HUB_OFFLINE`` asks for too.
    """
    if hub.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(hub.ENDPOINT, method="HEAD"), timeout=HUB_PATIENCE_S):
            return True
    except (urllib.error.HTTPError, http.client.HTTPException):  # an answer, if not a friendly one
        return True
    except urllib.error.URLError as error:  # huggingface_hub may know certificates that Python does not
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False


def _is_local(source: str) -> bool:
    """Whether nothing may be asked of the Hub for ``source``."""
    return Path(source).is_dir() or not hub_answers()


def load_processor(model: str) -> ProcessorMixin:
    """The image-text processor of ``model``, with or without torchvision.

    Raises:
        ModelError: nothing can be loaded from there, or the family is unknown to transformers' image-text processors.
    """
    source = resolve(model)
    local = _is_local(source)
    try:
        processor_class = _saved_image_only_class(source)
        if processor_class is None and not is_torchvision_available():
            processor_class = _IMAGE_ONLY.get(AutoConfig.from_pretrained(source, local_files_only=local).model_type)
        if processor_class is None:
            processor = AutoProcessor.from_pretrained(source, local_files_only=local)
            if isinstance(processor, ProcessorMixin):
                return processor
            raise ModelError(
                f"transformers gave {type(processor).__name__} for {model}, which takes no images; "
                "install torchvision, or use a model of a supported family: " + ", ".join(_IMAGE_ONLY)
            )
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
        return processor_class(
            image_processor=AutoImageProcessor.from_pretrained(source, local_files_only=local),
            tokenizer=tokenizer,
            chat_template=tokenizer.chat_template,
        )
    except _LOADING_ERRORS as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(_load_message("the processor", model, error)) from error


def _saved_image_only_class(source: str) -> type[ProcessorMixin] | None:
    config = Path(source) / "processor_config.json"
    name = json.loads(config.read_text()).get("processor_class") if config.is_file() else None
    return next((c for c in _IMAGE_ONLY.values() if c.__name__ == name), None)


def load_model(model: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> PreTrainedModel:
    """The weights of ``model`` in evaluation mode on ``device``.

    Args:
        dtype: None means float32 on a CPU and bfloat16 elsewhere.

    Raises:
        ModelError: nothing can be loaded from there.
    """
    device = torch.device(device)
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    source = resolve(model)
    local = _is_local(source)
    try:
        loaded: PreTrainedModel
        report: dict[str, Any]
        loaded, report = AutoModelForImageTextToText.from_pretrained(  # type: ignore[misc]
            source,
            dtype=dtype,
            local_files_only=local,
            adapter_kwargs={"local_files_only": local},  # transformers 5.23 looks for an adapter without being told
            output_loading_info=True,
        )
        if missing := sorted(report["missing_keys"]):  # transformers would go on with random numbers in their place
            raise ModelError(
                f"the weights of {model!r} lack {len(missing)} tensors, {missing[0]} first; save them again"
            )
    except _LOADING_ERRORS as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(_load_message("the model", model, error)) from error
    if device.type == "cpu":
        embed_patches_by_matmul(loaded)
    return loaded.to(device).eval()  # type: ignore[arg-type]


def _load_message(what: str, model: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if not reason or isinstance(error, LookupError | TypeError):
        reason = f"{type(error).__name__} {reason}".rstrip()
    return (
        f"cannot load {what} of {model!r}: {reason.rstrip(' .:')}. Expected the path of a folder saved by "
        f"save_pretrained, a Hub id that is reachable or in the local cache, or one of the embedded models "
        f"{', '.join(EMBEDDED_MODELS)}."
    )


def embed_patches_by_matmul(model: nn.Module) -> None:
    """Makes every Qwen-VL patch embedding one matrix product, in place; weights and results stay the same."""
    for module in model.modules():
        if type(module).__name__.endswith("PatchEmbed") and isinstance(getattr(module, "proj", None), nn.Conv3d):
            module.forward = types.MethodType(_matmul_patch_embed, module)


def _matmul_patch_embed(self: Any, hidden_states: Tensor) -> Tensor:
    """[patches, channels * frames * height * width] -> [patches, embed_dim]."""
    weight = self.proj.weight.flatten(1)
    return nn.functional.linear(hidden_states.to(weight.dtype), weight, self.proj.bias)
