"""Whether copies of a benchmark are found, and phantoms are left alone.

    vitar data prepare vqa-rad --from FOLDER --out PREPARED
    python benchmarks/contamination.py PREPARED [--phantoms 2000]

Planted: every different image of the benchmark, copied as people copy by accident, and every different question with
its words in another order. False alarms: phantoms against the benchmark, and against phantoms of another split. The
exit code tells whether at least 99 % of each kind of copy are found, and at most 0.1 % of the phantoms. Questions of
the same words are the same question, so there are no false alarms among texts to count.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageEnhance

from vitar.data.curation.contamination import Benchmark, contaminated_images, contaminated_texts
from vitar.data.curation.fingerprints import Fingerprint, Gallery, fingerprint
from vitar.data.curation.text_match import words
from vitar.data.example import load_examples, open_image
from vitar.data.phantoms.dataset import phantom_examples
from vitar.statistics import wilson

LEAST_FOUND, MOST_ALARMS = 0.99, 0.001


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert(image.mode)


def _crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def _somewhere(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top = rng.uniform(0, 0.05, 2)
    return _crop(image, left, top, 0.05 - left, 0.05 - top)


def _padded(image: Image.Image) -> Image.Image:
    width, height = image.size
    frame = Image.new(image.mode, (round(width * 1.05), round(height * 1.05)))
    frame.paste(image, (round(width * 0.025), round(height * 0.025)))
    return frame


def _resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


COPIES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "exact": lambda image, rng: image.copy(),
    "jpeg 75": lambda image, rng: _jpeg(image, 75),
    "jpeg 40": lambda image, rng: _jpeg(image, 40),
    "half size": lambda image, rng: _resized(image, 0.5),
    "larger": lambda image, rng: _resized(image, 1.5),
    "square of 224": lambda image, rng: image.resize((224, 224), Image.Resampling.BILINEAR),
    "5% cut off": lambda image, rng: _crop(image, 0.025, 0.025, 0.025, 0.025),
    "5% cut off somewhere": lambda image, rng: _somewhere(image, rng),
    "5% added": lambda image, rng: _padded(image),
    "darker": lambda image, rng: ImageEnhance.Brightness(image).enhance(0.75),
    "brighter": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.25),
    "all of it": lambda image, rng: _jpeg(
        _resized(ImageEnhance.Brightness(_somewhere(image, rng)).enhance(1.1), 0.7), 60
    ),
}
"""Name -> (image, rng) -> copy."""


def reordered(question: str, rng: np.random.Generator) -> str:
    """The words of a question in a random order."""
    return " ".join(rng.permutation(words(question)))


def different_images(folder: str) -> list[Image.Image]:
    """The images of a stored set, each once."""
    found: dict[bytes, Image.Image] = {}
    for example in load_examples(folder):
        for ref in example.images:
            if (key := ref.encoded or ref.uri.encode()) not in found:
                found[key] = open_image(ref)
    return list(found.values())


def named(name: str, fingerprints: Sequence[Fingerprint] = (), questions: Sequence[str] = ()) -> Benchmark:
    """A benchmark of these images and questions, called by their numbers."""
    items, first_items = (tuple(map(str, range(len(each)))) for each in (questions, fingerprints))
    return Benchmark(name, items, tuple(questions), tuple(fingerprints), first_items, ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line per kind of copy and of false alarm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="PREPARED", help="what `vitar data prepare` wrote")
    parser.add_argument("--phantoms", type=int, default=2000, metavar="N", help="of each split; default: %(default)s")
    args = parser.parse_args(arguments)

    images = different_images(args.folder)
    questions = sorted({example.question for example in load_examples(args.folder)})
    benchmark = named("benchmark", [fingerprint(image) for image in images], questions)
    passed = True

    sys.stdout.write(f"{len(images)} images and {len(questions)} questions of {args.folder}\n")
    rng = np.random.default_rng(0)
    for name, copy in COPIES.items():
        started = time.perf_counter()
        copies = Gallery([fingerprint(copy(image, rng)) for image in images])
        found = len(contaminated_images(copies, [benchmark]))
        passed &= _line(f"found: {name}", found, len(images), time.perf_counter() - started, least=LEAST_FOUND)
    started = time.perf_counter()
    found = len(contaminated_texts([reordered(question, rng) for question in questions], [benchmark]))
    passed &= _line(
        "found: words in another order", found, len(questions), time.perf_counter() - started, least=LEAST_FOUND
    )

    started = time.perf_counter()
    mine, others = (phantom_examples(split, args.phantoms) for split in ("train", "test"))
    drawn = Gallery([fingerprint(open_image(each.images[0])) for each in mine])
    other = named("phantoms", [fingerprint(open_image(each.images[0])) for each in others])
    sys.stdout.write(f"{2 * args.phantoms} phantoms drawn in {time.perf_counter() - started:.0f} s\n")
    for name, against in (("false: phantoms, benchmark", benchmark), ("false: phantoms, other phantoms", other)):
        started = time.perf_counter()
        alarms = len(contaminated_images(drawn, [against]))
        passed &= _line(name, alarms, args.phantoms, time.perf_counter() - started, most=MOST_ALARMS)
    return int(not passed)


def _line(name: str, count: int, of: int, seconds: float, *, least: float = 0.0, most: float = 1.0) -> bool:
    """Prints a share with its interval; returns whether it is within the limits."""
    interval, within = wilson(count, of), least <= count / of <= most
    share = f"{count / of:7.2%} [{interval.low:.2%}, {interval.high:.2%}]"
    sys.stdout.write(f"{name:<32}{count:>6} of {of:<6}{share:<28}{seconds:6.1f} s{'' if within else '  FAILS'}\n")
    sys.stdout.flush()
    return within


if __name__ == "__main__":
    sys.exit(main())
