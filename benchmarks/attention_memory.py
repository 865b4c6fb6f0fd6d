"""Memory of captured attention rows, beside that of the eager full matrices.

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

from vitar.analysis.attention.capture import captured_rows
from vitar.backends.pretrained import load_model

WAYS = ("rows", "full")


def measure(way: str, model_name: str, tokens: int, generated: int) -> dict[str, float]:
    """Bytes kept and added by one way of taking attention, in MB."""
    model = load_model(model_name)
    ids = torch.randint(10, 500, (1, tokens), generator=torch.Generator().manual_seed(0))
    kept: dict[int, Tensor] = {}
    with torch.inference_mode():
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
        before_mb = peak_mb()
        if way == "rows":
            with captured_rows(model, range(tokens - generated - 1, tokens - 1), kept.__setitem__):
                model(input_ids=ids, use_cache=False, logits_to_keep=1)
        else:
            model.set_attn_implementation({"text_config": "eager"})
            output = model(input_ids=ids, use_cache=False, logits_to_keep=1, output_attentions=True)
            kept = dict(enumerate(output.attentions))
        added_mb = peak_mb() - before_mb
    return {"kept": sum(each.numel() * each.element_size() for each in kept.values()) / 1e6, "added": added_mb}


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


if __name__ == "__main__":
    main()
