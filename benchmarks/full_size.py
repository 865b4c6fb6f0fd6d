"""Whether the recipes for real models fit one GPU: every command on random weights of the real size.

    python benchmarks/full_size.py lingshu-7b --work DIR
    python benchmarks/full_size.py qwen3-vl-8b --work DIR

The shapes are those of Qwen2.5-VL-7B (which Lingshu-7B has) and Qwen3-VL-8B, the vocabulary's rows included; the
tokenizer is the embedded model's, so nothing is downloaded. Random weights say nothing worth grading and take no
action, so episodes have one turn: what is measured is that a command runs, its seconds, and the most memory of the
GPU that was in use. DIR needs 40 GB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import (
    PretrainedConfig,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from vitar.backends.pretrained import ImageOnlyQwen3VLProcessor, ImageOnlyQwen25VLProcessor, load_processor

RECIPES = Path(__file__).parent.parent / "recipes"

# From the configurations of Qwen/Qwen2.5-VL-7B-Instruct and Qwen/Qwen3-VL-8B-Instruct.
LINGSHU_7B = {
    "text_config": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
}
QWEN3_VL_8B = {
    "text_config": {
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [24, 20, 20],
            "mrope_interleaved": True,
        },
    },
    "vision_config": {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "out_hidden_size": 4096,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [8, 16, 24],
    },
}

ONE_GPU = ["dtype=bfloat16", "lora={r: 64, lora_alpha: 128, target_modules: all-linear}", "trainer.learning_rate=1e-4"]
SHORT_SFT = ["trajectories=32", "trainer.num_train_epochs=1", "trainer.max_steps=4", "trainer.report_to=none"]
SHORT_GRPO = [
    "examples=32",
    "trainer.max_steps=2",
    "trainer.per_device_train_batch_size=8",
    "trainer.gradient_accumulation_steps=2",
    "trainer.max_completion_length=128",
    "trainer.use_vllm=false",
    "trainer.report_to=none",
]


def save_random(name: str, folder: Path) -> float:
    """Writes a model of random weights with its processor; returns its parameters in billions."""
    tokenizer = load_processor("tiny-base").tokenizer
    tokenizer.chat_template = None
    tokens = {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }
    torch.manual_seed(0)
    config: PretrainedConfig
    processor_class: type[ProcessorMixin]
    with torch.device("cuda"):
        if name == "lingshu-7b":
            config = Qwen2_5_VLConfig(**LINGSHU_7B, **tokens, dtype=torch.bfloat16)  # type: ignore[arg-type]
            model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
            processor_class, patch_px = ImageOnlyQwen25VLProcessor, 14
        else:
            config = Qwen3VLConfig(**QWEN3_VL_8B, **tokens, dtype=torch.bfloat16)  # type: ignore[arg-type]
            model = Qwen3VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
            processor_class, patch_px = ImageOnlyQwen3VLProcessor, 16
    images = Qwen2VLImageProcessorPil(patch_size=patch_px, size={"shortest_edge": 56**2, "longest_edge": 1024**2})
    template = "{# <|im_start|> #}"  # ChatML without tools, which gives way to the package's own
    model.save_pretrained(folder)
    processor_class(images, tokenizer, chat_template=template).save_pretrained(folder)
    return model.num_parameters() / 1e9


@contextmanager
def watched(label: str) -> Iterator[None]:
    """Prints seconds and the most GPU memory in use, by any process, while the block ran."""
    done, most = threading.Event(), 0

    def watch() -> None:
        nonlocal most
        while not done.wait(0.2):
            free, total = torch.cuda.mem_get_info()
            most = max(most, total - free)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        tell(f"{label:24s} {time.perf_counter() - begun:6.0f} s {most / 2**30:7.1f} GiB")


def vitar(*arguments: str) -> None:
    """Runs a command in a process of its own; its output is shown if it fails."""
    done = subprocess.run([sys.executable, "-m", "vitar.cli.main", *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"vitar {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )


def tell(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def settings(*values: str) -> list[str]:
    """``--set`` before each."""
    return [word for value in values for word in ("--set", value)]


def main() -> None:
    """Prints one line per command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["lingshu-7b", "qwen3-vl-8b"])
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="new or empty folder for weights")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/full_size.py needs a GPU")
    if args.work.exists() and (not args.work.is_dir() or any(args.work.iterdir())):
        sys.exit(f"{args.work} is not an empty folder; give another --work")
    base, sft, grpo, recipes = args.work / "base", args.work / "sft", args.work / "grpo", RECIPES / args.model
    tell(f"{args.model}, {torch.cuda.get_device_name()}")
    with watched("random weights"):
        billions = save_random(args.model, base)
        torch.cuda.empty_cache()
    tell(f"{billions:.1f} billion parameters")
    with watched("vitar eval"):
        vitar(
            *("eval", "--model", str(base), "--data", "phantoms:test", "--count", "8", "--batch-size", "8"),
            *("--conditions", "single_pass,think_twice", "--max-new-tokens", "64", "--out", str(args.work / "eval")),
        )
    with watched("vitar train sft, LoRA"):
        vitar(
            *("train", "sft", "--config", str(recipes / "sft.yaml")),
            *settings(f"model={base}", f"output_dir={sft}", *ONE_GPU, *SHORT_SFT),
        )
    shutil.rmtree(base)
    with watched("vitar train grpo, LoRA"):
        vitar(
            *("train", "grpo", "--config", str(recipes / "grpo.yaml")),
            *settings(f"model={sft / 'final'}", f"output_dir={grpo}", *ONE_GPU, *SHORT_GRPO),
        )


if __name__ == "__main__":
    main()
