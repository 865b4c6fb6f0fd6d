"""Memory of captured attention rows, beside that of the eager full matrices, and how far the two differ.

    python benchmarks/attention_memory.py

Each way runs in a process of its own: a plain pass first, then the pass that takes attention. *Kept* is the attention
that is held at the end, *added* how far the peak of the process rose above that of the plain pass.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import torch
from torch import Tensor
from transformers import PreTrainedModel

from vitar.analysis.attention.capture import captured_rows
from vitar.backends.pretrained import load_model

WAYS = ("rows", "full")


def measure(way: str, model_name: str, tokens: int, generated: int) -> dict[str, float]:
    """Bytes kept and added by one way of taking attention, in MB."""
    model, ids = load_model(model_name), made_up(tokens)
    with torch.inference_mode():
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
    before_mb = peak_mb()
    kept = taken(way, model, ids, generated)
    added_mb = peak_mb() - before_mb
    return {"kept": sum(each.numel() * each.element_size() for each in kept.values()) / 1e6, "added": added_mb}


def difference(model_name: str, tokens: int, generated: int) -> float:
    """The largest difference between a captured weight and the full matrix's, in float32."""
    model, ids = load_model(model_name).float(), made_up(tokens)
    rows, full = (taken(way, model, ids, generated) for way in WAYS)
    asking = slice(tokens - generated - 1, tokens - 1)
    return max(float((rows[layer] - full[layer][0, :, asking]).abs().max()) for layer in full)


def made_up(tokens: int) -> Tensor:
    """Token ids [1, tokens]."""
    return torch.randint(10, 500, (1, tokens), generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def taken(way: str, model: PreTrainedModel, ids: Tensor, generated: int) -> dict[int, Tensor]:
    """Layer -> weights: [heads, generated, tokens] of the rows, [1, heads, tokens, tokens] of the full matrices."""
    kept: dict[int, Tensor] = {}
    if way == "rows":
        tokens = ids.shape[1]
        with captured_rows(model, range(tokens - generated - 1, tokens - 1), kept.__setitem__):
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
        return kept
    model.set_attn_implementation({"text_config": "eager"})
    output = model(input_ids=ids, use_cache=False, logits_to_keep=1, output_attentions=True)
    return dict(enumerate(output.attentions))


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="default: %(default)s")
    parser.add_argument("--tokens", type=int, default=1500, help="default: %(default)s")
    parser.add_argument("--generated", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--way", choices=WAYS, help="measure this one alone, and print JSON")
    args = parser.parse_args()
    if args.way:
        sys.stdout.write(json.dumps(measure(args.way, args.model, args.tokens, args.generated)))
        return
    again = [sys.executable, __file__, "--model", args.model]
    again += ["--tokens", str(args.tokens), "--generated", str(args.generated)]
    rows, full = (json.loads(subprocess.check_output([*again, "--way", way])) for way in WAYS)
    sys.stdout.write(f"{args.model}, {args.tokens} tokens, {args.generated} of them generated\n")
    for what in ("kept", "added"):
        ratio = rows[what] / full[what]
        sys.stdout.write(f"{what}: rows {rows[what]:.1f} MB, full {full[what]:.1f} MB, ratio {ratio:.3f}\n")
    largest = difference(args.model, args.tokens, args.generated)
    sys.stdout.write(f"largest difference of a weight, float32: {largest:.1e}\n")


if __name__ == "__main__":
    main()
