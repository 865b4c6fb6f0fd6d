"""Whether an evaluation that is killed again and again ends as one that was left alone.

    python benchmarks/killed_evaluation.py [--kills 20] [--items 60] [--seed 0]

The embedded model answers phantom questions under two conditions, once undisturbed and once killed by SIGKILL at random
moments, each time gone on with by the same command. A moment is a share of the traces that has to be on disk, drawn
evenly. The process is killed as that byte is written or, by the toss of a coin, some work later: up to the processor
seconds in which a block of episodes is made. Where an earlier process wrote that byte, it is killed after up to the
work in which it starts and makes a block. So kills fall into the start, into generation and into writing, all over the
run, however busy the machine is. Checked: the traces and ``metrics.json`` are the same in all but seconds and memory,
and every item has one trace under every condition. The exit code is 1 if not, or if a process came to its end before
its moment.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

CONDITIONS = ("single_pass", "think_twice")
BATCH_SIZE = 4  # small, so that a run has several blocks to be killed in
BLOCK = 4 * BATCH_SIZE
POLL_S = 0.0005
COSTS = ("seconds", "peak_memory_bytes")
ROW = "{:>5}{:>12}{:>11}{:>8}{:>11}\n"


def command(out: Path, items: int) -> list[str]:
    """The evaluation as a user gives it."""
    options = {
        "--model": "tiny",
        "--data": "phantoms:test",
        "--count": str(items),
        "--conditions": ",".join(CONDITIONS),
        "--batch-size": str(BATCH_SIZE),
        "--max-new-tokens": "96",
        "--out": str(out),
    }
    return [sys.executable, "-m", "vitar.cli.main", "eval", *(word for pair in options.items() for word in pair)]


def start(out: Path, items: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(out, items), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def trace_files(out: Path) -> list[Path]:
    return [path for name in CONDITIONS if (path := out / "traces" / f"{name}.jsonl").is_file()]


def written(out: Path) -> int:
    """Bytes of the traces on disk."""
    return sum(path.stat().st_size for path in trace_files(out))


def without_costs(record: Any) -> Any:
    """A record of JSON without what differs from run to run."""
    if isinstance(record, dict):
        return {name: without_costs(value) for name, value in record.items() if name not in COSTS}
    return [without_costs(value) for value in record] if isinstance(record, list) else record


def result(out: Path) -> tuple[Any, dict[str, list[Any]]]:
    """Metrics and traces of a finished run, without times and memory."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    traces = {path.stem: [json.loads(line) for line in path.read_bytes().splitlines()] for path in trace_files(out)}
    return without_costs(metrics), {name: without_costs(found) for name, found in traces.items()}


def follow(process: subprocess.Popen[bytes], out: Path, bytes_first: float, work_s: float = 0.0) -> tuple[float, bool]:
    """Waits until that many bytes of traces are there and the process has worked for so long after that.

    Returns:
        processor seconds since its start, and whether it still runs.
    """
    child = psutil.Process(process.pid)
    worked = begun = 0.0
    there = False
    while process.poll() is None:
        times = child.cpu_times()
        worked = times.user + times.system
        if not there:
            there, begun = written(out) >= bytes_first, worked
        if there and worked >= begun + work_s:
            return worked, True
        time.sleep(POLL_S)
    return worked, False


def main() -> int:
    """Prints a line per kill and what came of it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--items", type=int, default=60, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments; default: %(default)s")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        undisturbed = start(whole, args.items)
        start_s, _ = follow(undisturbed, whole, 1)  # and its first block
        seconds, _ = follow(undisturbed, whole, float("inf"))
        if code := undisturbed.wait():
            sys.stderr.write(
                f"the undisturbed run ended with exit code {code}: {' '.join(command(whole, args.items))}\n"
            )
            return 1
        blocks = len(CONDITIONS) * -(-args.items // BLOCK)
        sys.stdout.write(f"undisturbed: {seconds:.0f} processor seconds, {args.items} items, {blocks} blocks\n")
        sys.stdout.write(ROW.format("kill", "after s", "traces", "half", "metrics"))
        killed = 0
        for share in sorted(rng.random() for _ in range(args.kills)):
            bytes_first = share * written(whole)
            if written(cut) >= bytes_first:
                work_s = rng.uniform(0, start_s)
            else:
                work_s = rng.choice((0.0, rng.uniform(0, (seconds - start_s) / blocks)))
            process = start(cut, args.items)
            after, running = follow(process, cut, bytes_first, work_s)
            process.kill()
            process.wait()
            if not running:
                break
            killed += 1
            lines = [path.read_bytes() for path in trace_files(cut)]
            traces = sum(content.count(b"\n") for content in lines)
            half = sum(not content.endswith(b"\n") for content in lines if content)
            there = "yes" if (cut / "metrics.json").exists() else "no"
            sys.stdout.write(ROW.format(killed, f"{after:.2f}", traces, half, there))
            sys.stdout.flush()
        code = start(cut, args.items).wait()
        metrics, traces_of = result(whole)
        found, found_of = result(cut) if code == 0 else (None, {})
    ids = [trace["example_id"] for trace in traces_of[CONDITIONS[0]]]
    counts = [Counter(trace["example_id"] for trace in found_of.get(name, ())) for name in CONDITIONS]
    twice = sum(number > 1 for count in counts for number in count.values())
    lost = sum(name not in count for count in counts for name in ids)
    same = sum(
        one == other for name in CONDITIONS for one, other in zip(traces_of[name], found_of.get(name, ()), strict=False)
    )
    verdict = "identical" if found == metrics else "DIFFER"
    sys.stdout.write(
        f"{killed} of {args.kills} killed; then: exit code {code}, metrics {verdict}, {same} of "
        f"{len(ids) * len(CONDITIONS)} traces identical, {twice} items twice, {lost} lost\n"
    )
    return int(not (killed == args.kills and found == metrics and found_of == traces_of and not twice and not lost))


if __name__ == "__main__":
    raise SystemExit(main())
