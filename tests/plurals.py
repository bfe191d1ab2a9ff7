"""Numbers with a plural behind them that is always the same: sooner or later they say "1 slices".

    python -m tests.plurals

prints them. `attunet_gui.system.plurals` alone puts numbers and nouns together.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1] / "attunet_gui"
_BEHIND = re.compile(r" (?:[a-z]+ )?([a-z]+s|people)\b")
_ENDING = re.compile(r"[a-z]$")
_NOUNS = frozenset(
    [
        *(
            "bits",
            "bytes",
            "cases",
            "changes",
            "cores",
            "files",
            "folders",
            "images",
            "labels",
            "layers",
            "masks",
        ),
        *(
            "minutes",
            "models",
            "parts",
            "patients",
            "people",
            "phantoms",
            "pieces",
            "pixels",
            "places",
            "readers",
        ),
        *("scans", "seconds", "slices", "steps", "strokes", "subjects", "volumes", "voxels"),
    ]
)
_NAME = re.compile(r"(^|[._])(name|path|words|title|folder)$|\.join\(")
"""Of a thing that may do something, "x.nii labels the lesion apart", or a list of kinds."""
_ALWAYS_MANY = frozenset(
    {
        ("prediction/network_grid.py", "slices"),  # a programmer's
        ("evaluation/patient_splits.py", "folds"),
        ("evaluation/patient_splits.py", "patients"),
        ("io/formats/dicom_geometry.py", "pixels"),  # of a side times a side
        ("io/formats/dicom_pixels.py", "bits"),
        ("io/journal/framing.py", "bytes"),
        ("io/mask_reading.py", "voxels"),  # sizes of volumes
        ("io/formats/metaimage.py", "voxels"),
        ("io/formats/nifti.py", "voxels"),
        ("io/datasets/tcia_pancreas_ct.py", "voxels"),
        ("io/datasets/jpeg_slices.py", "pixels"),
        ("evaluation/pair_matching.py", "voxels"),
        ("gui/controllers/edit_controller.py", "changes"),  # what a tool does
        ("network/families/encoder_decoder_config.py", "filters"),
        ("network/families/encoder_decoder_config.py", "pixels"),
        ("network/model_bundle.py", "bytes"),
        ("training/article_comparison.py", "scans"),
    }
)


def naive_plurals(package: Path = _ROOT) -> list[str]:
    """ "module.py:line  {number} noun" for every plural that does not ask for its number."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).as_posix()
        for line, number, noun in sorted(_in_code(path.read_text("utf-8"))):
            if (module, noun) not in _ALWAYS_MANY:
                found.append(f"{module}:{line}  {{{number}}} {noun}")
    return found


def _in_code(code: str) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            for number, behind in zip(node.values, node.values[1:], strict=False):
                yield from _noun_behind(number, behind)
        if isinstance(node, ast.IfExp) and _is_plural_of_one(node):
            yield node.lineno, ast.unparse(node.test), ast.unparse(node)


def _noun_behind(number: ast.expr, behind: ast.expr) -> Iterator[tuple[int, str, str]]:
    if not (isinstance(number, ast.FormattedValue) and isinstance(behind, ast.Constant)):
        return
    spec = "" if number.format_spec is None else ast.unparse(number.format_spec)
    match = _BEHIND.match(str(behind.value))
    # "1.0 minutes" is right, and so is a share of many.
    named = ast.unparse(number.value)
    if match and match[1] in _NOUNS and not _NAME.search(named) and not re.search(r"\.[1-9]|%|g", spec):
        yield number.lineno, named, match[1]


def _is_plural_of_one(node: ast.IfExp) -> bool:
    """`"slice" if n == 1 else "slices"`, or an "s" that is put behind."""
    one, many = (part.value if isinstance(part, ast.Constant) else None for part in (node.body, node.orelse))
    if not (isinstance(one, str) and isinstance(many, str)):
        return False
    return {one, many} == {"", "s"} or (bool(_ENDING.search(one)) and many == f"{one}s")


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in naive_plurals()))
