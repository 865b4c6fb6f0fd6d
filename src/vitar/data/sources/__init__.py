"""Annotated images from any of the formats and named data sets that are known, by one line of text."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from urllib.parse import parse_qsl

from vitar.data.sources.source import About, AnnotatedSource, Issues, SourceError

__all__ = ["FORMATS", "NAMED_SETS", "PHANTOMS", "About", "AnnotatedSource", "Issues", "SourceError", "open_annotated"]

PHANTOMS = "phantoms"
FORMATS = {
    "coco": ("vitar.data.sources.coco", ("images", "group")),
    "voc": ("vitar.data.sources.voc", ()),
    "yolo": ("vitar.data.sources.yolo", ()),
    "masks": ("vitar.data.sources.mask_folder", ()),
    "dicom-seg": ("vitar.data.sources.dicom_seg", ()),
}
"""Format -> the module that reads it, and its options besides the fields of `About`."""
NAMED_SETS = {
    "slake": "vitar.data.sources.slake",
    "vindr-cxr": "vitar.data.sources.vindr_cxr",
    "chestxray14": "vitar.data.sources.chestxray14",
    "rsna-pneumonia": "vitar.data.sources.rsna_pneumonia",
    "deeplesion": "vitar.data.sources.deeplesion",
    "sa-med2d": "vitar.data.sources.sa_med2d",
    "isic2018": "vitar.data.sources.isic2018",
    "ham10000": "vitar.data.sources.ham10000",
    "busi": "vitar.data.sources.busi",
    "kvasir": "vitar.data.sources.kvasir",
}
"""Data set -> the module that reads it and says what lies where."""


def open_annotated(spec: str) -> AnnotatedSource:
    """The annotated images that ``spec`` names; they are read when asked for.

    Args:
        spec: ``FORMAT:PATH``, ``NAME:DIR`` for a named set, or ``phantoms:SPLIT:COUNT``. A format may be followed by
            what its files do not say, as in ``voc:bccd?modality=light microscopy&anatomy=blood&licence=MIT``
            (`About`; for ``coco`` also ``images`` and ``group``).

    Returns:
        a sequence of `AnnotatedImage`, with ``issues`` that count what was left out of those read so far.

    Raises:
        SourceError: the spec is malformed, or the files are not as the format wants them.
    """
    kind, colon, rest = spec.partition(":")
    if kind == PHANTOMS:
        split, _, count = rest.partition(":")
        if not count.isdecimal():
            raise SourceError(
                f"{spec}: no number of phantoms. Expected phantoms:SPLIT:COUNT, as in phantoms:train:100."
            )
        from vitar.data.sources.phantoms import open_source

        return open_source(split, int(count))
    path, _, query = rest.partition("?")
    if not colon or not path or kind not in (*FORMATS, *NAMED_SETS):
        known = ", ".join(f"{name}:" for name in (*FORMATS, *NAMED_SETS, PHANTOMS))
        raise SourceError(f"{spec}: not an annotated source. Expected one of {known} followed by a path.")
    module, own = FORMATS[kind] if kind in FORMATS else (NAMED_SETS[kind], ())
    options = _options(spec, query, (*(field.name for field in fields(About)), *own) if kind in FORMATS else ())
    try:
        reader = import_module(module)
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{spec}: needs the package {error.name}, which is not installed. Install it: "
            "pip install 'vitar-med[medical]'"
        ) from error
    if kind in NAMED_SETS:
        return reader.open_source(Path(path))
    extra = {name: options.pop(name) for name in own if name in options}
    return reader.open_source(Path(path), About(**options), **extra)


def _options(spec: str, query: str, known: tuple[str, ...]) -> dict[str, str]:
    try:
        options = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError as error:
        raise SourceError(f"{spec}: cannot read {query!r}. Expected name=value, joined by &.") from error
    if strange := options.keys() - set(known):
        expected = f"one of {', '.join(known)}" if known else "none, this set says all of it"
        raise SourceError(f"{spec}: unknown option {', '.join(sorted(strange))}. Expected {expected}.")
    return options
