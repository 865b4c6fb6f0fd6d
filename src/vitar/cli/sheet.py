"""``vitar data sheet``: a look at the annotation of a source before anything is made from it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EPILOG = """\
sources:
  coco:FILE.json  voc:DIR  yolo:DIR  masks:DIR  dicom-seg:DIR   formats; what the files do not say may follow, as in
      "voc:bccd?modality=light microscopy&anatomy=blood&licence=MIT"
  slake:DIR  vindr-cxr:DIR  chestxray14:DIR  rsna-pneumonia:DIR  deeplesion:DIR  sa-med2d:DIR  isic2018:DIR
  ham10000:DIR  busi:DIR  kvasir:DIR   data sets in the layout of their download
  phantoms:SPLIT:COUNT   synthetic images
"""


def add_parser(commands: Subparsers) -> None:
    """Adds ``sheet`` to the subcommands of ``vitar data``."""
    parser = commands.add_parser(
        "sheet",
        help="contact sheet of annotated images",
        description="Draw images of an annotated source with their boxes and masks, one colour per label.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the contact sheet")
    parser.add_argument(
        "--count", type=int, default=24, metavar="N", help="images, evenly spaced over the source; default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for a source or a file that cannot be used."""
    from vitar.data.contact_sheet import annotated_sheet
    from vitar.data.sources import SourceError, open_annotated
    from vitar.imaging.loading import ImageError

    if args.count < 1:
        return _refuse(f"--count must be at least 1, got {args.count}")
    try:
        source = open_annotated(args.source)
        if not source:
            return _refuse(f"{args.source}: no images. Expected a source with at least one.")
        count = min(args.count, len(source))
        images = [source[place * len(source) // count] for place in range(count)]
        sheet = annotated_sheet(images)
    except (SourceError, ImageError) as error:
        return _refuse(str(error))
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(args.out)
    except (OSError, ValueError) as error:  # not writable, or a suffix that names no image format
        return _refuse(f"cannot write the contact sheet {args.out}: {error}")
    regions = sum(len(image.regions) for image in images)
    sys.stdout.write(f"{count} of {len(source)} images with {regions} regions in {args.out}\n")
    sys.stdout.writelines(f"{number:8} {reason}\n" for reason, number in source.issues.counts.items())
    return 0


def _refuse(message: str) -> int:
    sys.stderr.write(f"vitar data sheet: {message}\n")
    return 2
