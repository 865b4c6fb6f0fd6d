"""``vitar ask``: one question about one image, with every look that the model takes at it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from vitar.data.example import Example
    from vitar.protocol.trace import ImageStore, Round, Trace

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_MODEL = "tiny"
MAX_NEW_TOKENS = 512
MAX_ASPECT = 200
"""Long side over short side; the image processors of the Qwen-VL families take no image beyond it."""

EMBEDDED_NOTE = "a small model trained on synthetic phantoms; it cannot read real images; not for clinical use"

TEXT_WIDTH, LONGEST_TEXT = 100, 1000

ANSWERED, NOT_ANSWERED, BAD_INPUT = 0, 1, 2

DESCRIPTION = "Ask a question about an image. The model thinks, marks or enlarges a region, looks again, and answers."

EPILOG = """\
exit codes: 0 answered, 1 not answered, 2 bad input

--json prints one object on stdout: answer, rounds, stop_reason, seconds. Each round has thought, action (a
tool's name, or null), boxes (left, top, right, bottom in pixels of the original image) and image (the saved
file that the action led to, or null).

examples:
  vitar ask scan.png "What is the margin of the nodule?" --option smooth lobulated spiculated
  vitar ask phantom:chest/test/3 "Is there a nodule?" --save looks
  vitar ask scan.png "Is there a nodule?" --model Qwen/Qwen3-VL-8B-Instruct --rounds 3
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``ask`` to the command line."""
    parser = subparsers.add_parser(
        "ask",
        help="ask a question about an image",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="PNG, JPEG, TIFF, WebP, BMP, DICOM, a NIfTI slice (FILE.nii.gz#slice=N), or phantom:FAMILY/SPLIT/NUMBER",
    )
    parser.add_argument("question", type=str.strip, metavar="QUESTION", help="without the options")
    parser.add_argument(
        "--option",
        type=str.strip,
        nargs="+",
        action="extend",
        default=[],
        metavar="TEXT",
        help="answers to choose from, two or more",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="M", help="Hub id, path, or an embedded model; default: %(default)s"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=2,
        metavar="N",
        help="looks at the image: 1 answers at once, 2 acts once and looks again; default: %(default)s",
    )
    parser.add_argument("--save", type=Path, metavar="DIR", help="new or empty folder for the images and trace.json")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 for an answer, 1 for none, 2 for input that cannot be used.

    Raises:
        ModelError: the model cannot be loaded.
    """
    from vitar.data.example import ImageRef, open_image

    if problem := _problem(args):
        return _refuse(problem)
    try:
        image = open_image(ImageRef(args.image))
    except ValueError as error:  # no readable image, or a reference to a phantom that does not exist
        return _refuse(str(error))
    if max(image.size) > MAX_ASPECT * min(image.size):
        size = f"{image.width} x {image.height} pixels"
        return _refuse(f"{args.image}: {size} are too long and thin to look at. Crop it to the part that matters.")
    if args.save is not None and (problem := _claim(args.save)):
        return _refuse(problem)

    with tempfile.TemporaryDirectory(prefix="vitar-ask-") as work:
        from vitar.protocol.trace import ImageStore

        store = ImageStore(work) if args.save is not None else None
        trace = _ask(args, _example(args, image), store)
        if store is not None:
            try:
                trace = _save(trace, store, args)
            except OSError as error:
                return _refuse(f"cannot write to {args.save} ({error.strerror}); give --save another folder.")
    if args.json:
        sys.stdout.write(json.dumps(_record(trace, args.save), allow_nan=False) + "\n")
    else:
        sys.stdout.write(_report(trace, args.option, args.save))
    return ANSWERED if trace.answer is not None else NOT_ANSWERED


def _problem(args: argparse.Namespace) -> str:
    """What is wrong with the arguments apart from the image and the model, or ""."""
    from vitar.protocol.prompts import OPTION_LETTERS

    options: list[str] = args.option
    if not args.question:
        return "the question is blank. Expected a sentence, in quotes, after the image."
    if "" in options:
        return "an option is blank. Expected a text after each --option."
    if len(options) == 1:
        return f"one option, {options[0]!r}, leaves nothing to choose. Give two or more with --option, or none."
    if len(set(options)) < len(options):
        return f"two options are the same: {', '.join(options)}. Give each of them once."
    if len(options) > len(OPTION_LETTERS):
        return f"{len(options)} options are too many. Give at most {len(OPTION_LETTERS)}, one per letter."
    if args.rounds < 1:
        return f"--rounds {args.rounds} leaves no look at the image. Give 1 for an answer at once, 2 to look twice."
    if any("\ud800" <= character <= "\udfff" for text in (args.question, *options) for character in text):
        return "the question or an option is not text in the terminal's encoding. Expected UTF-8."
    return ""


def _claim(folder: Path) -> str:
    """Makes ``folder``; returns why it cannot be used, or ""."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            return f"{folder} is not empty; give --save another folder or remove it first."
    except OSError as error:  # a file of that name, no permission
        return f"cannot make the folder {folder} ({error.strerror}); give --save another one."
    return ""


def _example(args: argparse.Namespace, image: Image) -> Example:
    """The question as the loop takes it. Nobody knows the answer; the one that a record has to have is never read."""
    import io

    from vitar.data.example import Example, ImageRef

    encoded = io.BytesIO()
    image.save(encoded, format="PNG", compress_level=1)  # the pixels that were checked, however large the file was
    options = tuple(args.option)
    return Example(
        id=args.image,
        images=(ImageRef(args.image, encoded.getvalue()),),
        question=args.question,
        options=options,
        answer=options[0] if options else "unknown",
        answer_type="choice" if options else "closed",
        regions=(),
        modality="",
        anatomy="",
        kind="",
        source="ask",
        split="",
        licence="",
        group=args.image,
    )


def _ask(args: argparse.Namespace, example: Example, store: ImageStore | None) -> Trace:
    """Loads the model and runs the loop; the first look is followed by at most ``rounds`` - 1 actions."""
    from huggingface_hub.utils import enable_progress_bars
    from transformers.utils import logging as transformers_logging

    from vitar.backends.local import LocalBackend, Sampling
    from vitar.backends.pretrained import EMBEDDED_MODELS
    from vitar.imaging.environment import EnvironmentConfig
    from vitar.protocol import trace as protocol
    from vitar.rollout import rollout

    transformers_logging.disable_progress_bar()
    if not args.json:
        enable_progress_bars()  # of a download, which can take long
    backend = LocalBackend.load(args.model, sampling=Sampling(max_new_tokens=MAX_NEW_TOKENS))
    if args.model in EMBEDDED_MODELS:
        sys.stderr.write(f"{args.model}: {EMBEDDED_NOTE}\n")
    looks_once = args.rounds == 1
    (trace,) = rollout(
        backend,
        [example],
        EnvironmentConfig(max_actions=args.rounds - 1, max_turns=args.rounds + 1, zoom_side_px=backend.zoom_side_px),
        mode="direct" if looks_once else "interactive",
        condition="single_pass" if looks_once else "think_twice",
        store=store,
        sampling=protocol.Sampling(max_new_tokens=MAX_NEW_TOKENS),
    )
    return trace


def _save(trace: Trace, store: ImageStore, args: argparse.Namespace) -> Trace:
    """Writes the images, named by the numbers that the model knows them by, the trace and the question."""
    folder: Path = args.save
    shown = [*trace.images, *(r.image for r in trace.rounds if r.image is not None)]
    names = [f"image-{number}.png" for number in range(1, len(shown) + 1)]
    for stored, name in zip(shown, names, strict=True):
        shutil.copyfile(store.folder / stored, folder / name)
    later = iter(names[1:])
    rounds = tuple(r if r.image is None else r.model_copy(update={"image": next(later)}) for r in trace.rounds)
    named = trace.model_copy(update={"images": (names[0],), "rounds": rounds})
    (folder / "trace.json").write_text(named.model_dump_json(indent=2) + "\n", encoding="utf-8")
    question = {"image": args.image, "question": args.question, "options": args.option}
    (folder / "question.json").write_text(json.dumps(question, indent=2) + "\n", encoding="utf-8")
    return named


def _record(trace: Trace, folder: Path | None) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    rounds = [
        {
            "thought": r.thought,
            "action": r.action["name"] if r.action else None,
            "boxes": [[round(value, 2) for value in box] for box in r.boxes],
            "image": str(folder / r.image) if folder is not None and r.image is not None else None,
        }
        for r in trace.rounds
    ]
    return {
        "answer": trace.answer,
        "rounds": rounds,
        "stop_reason": trace.stop_reason.value,
        "seconds": round(trace.seconds, 3),
    }


def _report(trace: Trace, options: list[str], folder: Path | None) -> str:
    """The episode for a person to read."""
    lines: list[str] = []
    for number, r in enumerate(trace.rounds, start=1):
        failed = number == len(trace.rounds) and trace.failure is not None and r.action is None
        lines += [f"Round {number}", *_wrapped(r.text if failed else r.thought), *_wrapped(_deed(r))]
        if folder is not None and r.image is not None:
            lines.append(f"  saved as {folder / r.image}")
    if trace.answer is not None:
        lines += _wrapped(f"Answer: {_chosen(trace.answer, options)}", "")
    else:
        lines += _wrapped(f"No answer. {trace.failure.detail if trace.failure else ''}", "")
    looks = f"{len(trace.rounds)} round" + ("" if len(trace.rounds) == 1 else "s")
    lines.append(f"{trace.stop_reason.value} after {looks}, {trace.seconds:.2f} s")
    if folder is not None:
        lines.append(f"the question's image, trace.json and question.json are in {folder}")
    return "\n".join(lines) + "\n"


def _deed(r: Round) -> str:
    """What was done to the image in a round and what came of it, or ""."""
    if r.action is None:
        return ""
    if r.error is not None:
        return f"{r.action['name']} refused: {r.observation}"
    boxes = " and ".join("[" + ", ".join(f"{value:.0f}" for value in box) + "]" for box in r.boxes)
    return f"{r.action['name']} {boxes} px"


def _chosen(answer: str, options: list[str]) -> str:
    """The answer; where it chooses an option, the option's letter and text."""
    from vitar.grading import grade
    from vitar.protocol.prompts import OPTION_LETTERS

    if not options:
        return answer
    letter = grade("choice", options[0], options, answer).extracted
    if not letter:
        return f"{answer} (none of the options)"
    return f"{letter}. {options[OPTION_LETTERS.index(letter)]}"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    """Lines for a terminal: nothing that could steer it, and not without end."""
    plain = "".join(character if character.isprintable() else " " for character in text[:LONGEST_TEXT])
    if len(text) > LONGEST_TEXT:
        plain += " ..."
    plain = " ".join(plain.split())
    return textwrap.wrap(plain, TEXT_WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _refuse(message: str) -> int:
    sys.stderr.write(f"vitar ask: {message}\n")
    return BAD_INPUT
