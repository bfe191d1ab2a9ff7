"""Damaged NRRD and MetaImage files, in one piece or as a header that names its voxels."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from tests.fuzzing import places
from tests.fuzzing.made import Made, Rng, beside, cut, flipped, lengthened, pick, punched, rng_for, zeroed

KIND = "itk"
_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")
_SIZES = (b"30000 30000 30000", b"0 0 0", b"-1 5 5", b"4 4", b"4 4 4 4", b"nan 1 1", b"99999999999 1 1")
_UNITS = (b'space units: "cm" "cm" "cm"', b'space units: "um" "um" "um"', b"DistanceUnits = cm")
_LAST_BYTES = (b"byte skip: -1", b"HeaderSize = -1")
_NUMBERS = (b"0", b"-1", b"nan", b"inf", b"1e308", b"1e-308", b"abc", b"", b"1e30")
_FILES = (b"gone.raw", b"/dev/zero", b"../ct.raw", b"fifo.raw", b"LIST", b"LOCAL", b"ct%03d.raw 1 9 1", b".")


def make(seed: int, number: int, folder: Path) -> Made:
    """Input `number` of the run with `seed`, in the empty `folder`."""
    rng = rng_for(KIND, seed, number)
    stem = pick(rng, places.NAMES) if rng.random() < 0.1 else b"ct"
    path = places.named(folder, stem, pick(rng, _ENDINGS))
    honest = _write(path, rng)
    steps = [repr(path.name)]
    original = Path(shutil.copytree(folder, beside(folder), dirs_exist_ok=True)) / path.name
    for _ in range(int(rng.choice((0, 1, 2), p=(0.04, 0.76, 0.2)))):
        step = pick(rng, tuple(MUTATORS))
        path.write_bytes(MUTATORS[step](path.read_bytes(), rng))
        steps.append(step)
    if rng.random() < 0.5:
        places.IN_PLACE["FIFO"](folder / "fifo.raw")
    if rng.random() < 0.03:
        steps.append(places.put_in_place(path, rng))
    return Made(path, tuple(steps), honest, original if UNNOTICED.isdisjoint(steps) else None)


def _write(path: Path, rng: Rng) -> int:
    shape = tuple(int(n) for n in rng.integers(2, 12, 3))
    image = SimpleITK.GetImageFromArray(
        rng.integers(-1000, 1500, shape).astype(pick(rng, ("i2", "f4", "i4")))
    )
    image.SetSpacing(rng.uniform(0.4, 5, 3).tolist())
    image.SetOrigin(rng.uniform(-400, 400, 3).tolist())
    image.SetDirection((np.eye(3)[rng.permutation(3)] * rng.choice((-1, 1), 3)).ravel().tolist())
    # ITK is given a plain name: it does not take every byte that a file system takes.
    plain = path.with_name(f"ct{path.suffix}")
    SimpleITK.WriteImage(image, str(plain), useCompression=bool(rng.random() < 0.5))
    plain.rename(path)
    return int(np.prod(shape)) * 4


def _line(pattern: bytes, values: tuple[bytes, ...]) -> Callable[[bytes, Rng], bytes]:
    """What follows the first line that starts like `pattern` is replaced."""

    def mutate(raw: bytes, rng: Rng) -> bytes:
        value = pick(rng, values)
        return re.sub(
            rb"(?im)^((?:" + pattern + rb") *[:=] *)[^\r\n]*", lambda at: at[1] + value, raw, count=1
        )

    return mutate


def _numbers(pattern: bytes) -> Callable[[bytes, Rng], bytes]:
    """One number of the line that starts like `pattern` is replaced."""

    def mutate(raw: bytes, rng: Rng) -> bytes:
        found = re.search(rb"(?im)^(?:" + pattern + rb") *[:=] *([^\r\n]*)", raw)
        places_of = [] if found is None else list(re.finditer(rb"-?[\d.]+(?:e-?\d+)?", found[1]))
        if found is None or not places_of:
            return raw
        number, value = places_of[int(rng.integers(len(places_of)))], pick(rng, _NUMBERS)
        start = found.start(1)
        return raw[: start + number.start()] + value + raw[start + number.end() :]

    return mutate


def _without_line(raw: bytes, rng: Rng) -> bytes:
    lines = raw.split(b"\n", 12)
    del lines[int(rng.integers(len(lines)))]
    return b"\n".join(lines)


def _with_line(raw: bytes, line: bytes) -> bytes:
    """With `line` behind the first one, where it is of the same format."""
    first, end, rest = raw.partition(b"\n")
    fits = (b":" in line) == raw.startswith(b"NRRD")
    return first + end + line + b"\n" + rest if fits else raw


def _list_of_one(raw: bytes) -> bytes:
    raw = re.sub(rb"(?m)^(dimension: *)3", rb"\g<1>4", raw, count=1)
    raw = re.sub(rb"(?m)^(sizes: *)", rb"\g<1>1 ", raw, count=1)
    raw = re.sub(rb"(?m)^(space directions: *)", rb"\g<1>none ", raw, count=1)
    return re.sub(rb"(?m)^(kinds: *)", rb"\g<1>list ", raw, count=1)


def _line_twice(raw: bytes, rng: Rng) -> bytes:
    lines = raw.split(b"\n", 12)
    at = int(rng.integers(len(lines)))
    return b"\n".join([*lines[:at], lines[at], *lines[at:]])


MUTATORS: dict[str, Callable[[bytes, Rng], bytes]] = {
    "header bytes flipped": lambda raw, rng: flipped(raw, rng, 0, 400),
    "any bytes flipped": flipped,
    "cut": cut,
    "cut in the header": lambda raw, rng: cut(raw[:400], rng),
    "too long": lengthened,
    "a piece missing": punched,
    "a block of zeros": zeroed,
    "sizes": _line(b"sizes|DimSize", _SIZES),
    "one size": _numbers(b"sizes|DimSize"),
    "dimensions": _line(b"dimension|NDims", (b"0", b"1", b"2", b"4", b"17", b"-3", b"x")),
    "one direction": _numbers(b"space directions|TransformMatrix"),
    "one spacing": _numbers(b"ElementSpacing|space directions"),
    "one place": _numbers(b"space origin|Offset"),
    "type": _line(
        b"type|ElementType", (b"block", b"uchar", b"double", b"MET_DOUBLE", b"MET_FLOAT_ARRAY", b"x")
    ),
    "encoding": _line(
        b"encoding|CompressedData", (b"raw", b"gzip", b"bzip2", b"ascii", b"hex", b"True", b"x")
    ),
    "voxels elsewhere": _line(b"data file|ElementDataFile", _FILES),
    "space": _line(b"space", (b"right-anterior-superior", b"scanner-xyz", b"LPS", b"x", b"3D-right-handed")),
    "units": lambda raw, rng: _with_line(raw, pick(rng, _UNITS)),
    "begin of the axes": lambda raw, rng: _with_line(raw, b"axis mins: -4 5 60"),
    "a list of one": lambda raw, rng: _list_of_one(raw),
    "offset from the end": lambda raw, rng: _with_line(raw, pick(rng, _LAST_BYTES)),
    "channels": lambda raw, rng: raw.replace(b"ElementType", b"ElementNumberOfChannels = 3\nElementType", 1),
    "a line missing": _without_line,
    "a line twice": _line_twice,
}
"""What is done to the file that is opened."""

UNNOTICED = frozenset(
    (
        *("header bytes flipped", "any bytes flipped", "a piece missing", "a block of zeros"),
        *("one direction", "one spacing", "one place", "space", "units", "begin of the axes"),
        "a line missing",
    )
)
"""What may make another sound image: other numbers where any number is as good, no origin at all."""
