"""Sound CT of which files or folders cannot be read, listed or entered by the account that opens it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from tests.fuzzing import dicom
from tests.fuzzing.made import Made, Rng, beside, pick, rng_for
from tests.support.ct_files import OTHER_SERIES, write_enhanced, write_nifti, write_series

KIND = "permissions"
_MODES = (0o000, 0o444, 0o111, 0o222)
"""Of a folder: nothing, may be listed but not entered, entered but not listed, neither."""
_HALVES = (
    ("ct", "ct/more"),
    ("ct/a", "ct/b"),
    ("ct", "ct/more/deeper"),
    ("ct/a/b", "ct/c"),
    ("ct/a/b", "ct/c/d"),
)


def make(seed: int, number: int, folder: Path) -> Made:
    """Input `number` of the run with `seed`, in the empty `folder`; everything is open until it is judged."""
    rng = rng_for(KIND, seed, number)
    layout = pick(rng, tuple(LAYOUTS))
    case = LAYOUTS[layout](folder, rng)
    if rng.random() < 0.3:
        _neighbour(folder, rng)
    _number(folder, rng)
    _open(folder)
    original = Path(shutil.copytree(folder, beside(folder), dirs_exist_ok=True, symlinks=True))
    chosen = _chosen(folder, rng)
    path = case if rng.random() < 0.7 else _any_of(case, rng)
    steps = (layout, *(f"{each.relative_to(folder)} {mode:03o}" for each, mode in chosen))
    honest = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    named = str(path.relative_to(folder))
    return Made(path, (*steps, f"opened: {named}"), honest * 4, original / named, chosen)


def _number(folder: Path, rng: Rng) -> None:
    """Numbers of the images that follow from `rng`, where those they were made with do not."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix in ("", ".dcm"):
            dicom._with_number(path, rng)


def _open(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _chosen(folder: Path, rng: Rng) -> tuple[tuple[Path, int], ...]:
    """What is closed and how; the deepest first, for what is closed cannot be changed any more."""
    there = sorted(path for path in folder.rglob("*") if not path.is_symlink())
    folders, files = ([path for path in there if path.is_dir() == kind] for kind in (True, False))
    found = {}
    for _ in range(pick(rng, (0, 1, 1, 1, 2, 3))):
        of = folders if folders and rng.random() < 0.5 else files
        found[of[int(rng.integers(len(of)))]] = pick(rng, _MODES)
    return tuple(sorted(found.items(), key=lambda each: -len(each[0].parts)))


def _any_of(case: Path, rng: Rng) -> Path:
    below = sorted(path for path in case.rglob("*") if path.is_file()) if case.is_dir() else [case]
    return below[int(rng.integers(len(below)))]


def _stored(rng: Rng) -> np.ndarray:
    shape = (int(rng.integers(4, 9)), *(int(n) for n in rng.integers(5, 12, 2)))
    return rng.integers(0, 3000, shape).astype(np.uint16)


def _neighbour(folder: Path, rng: Rng) -> None:
    """Another patient beside it."""
    if rng.random() < 0.5:
        write_series(folder / "neighbour", _stored(rng), SeriesInstanceUID=OTHER_SERIES)
    else:
        (folder / "neighbour").mkdir()
        write_nifti(folder / "neighbour" / "ct.nii.gz", _hu(rng), np.diag([-0.8, -0.8, 2.5, 1]))


def _hu(rng: Rng) -> np.ndarray:
    return _stored(rng).astype(np.int16) - 1024


def _series(folder: Path, rng: Rng) -> Path:
    return write_series(folder / "ct", _stored(rng))[0].parent


def _halves(folder: Path, rng: Rng) -> Path:
    first, second = pick(rng, _HALVES)
    paths = sorted(write_series(folder / first, _stored(rng)))
    (folder / second).mkdir(parents=True, exist_ok=True)
    for k in rng.permutation(len(paths))[len(paths) // 2 :] if rng.random() < 0.5 else range(len(paths) // 2):
        paths[int(k)].rename(folder / second / paths[int(k)].name)
    return folder / "ct"


def _linked(folder: Path, rng: Rng) -> Path:
    """Half of the slices lie in a folder outside, and a link leads to it or to each of them."""
    paths, outside = sorted(write_series(folder / "ct", _stored(rng))), folder / "outside"
    outside.mkdir()
    each = bool(rng.random() < 0.5)
    for path in paths[len(paths) // 2 :]:
        path.rename(outside / path.name)
        if each:
            path.symlink_to(Path("..", "outside", path.name))
    if not each:
        (folder / "ct" / "linked").symlink_to(Path("..", "outside"), target_is_directory=True)
    return folder / "ct"


def _two_scans(folder: Path, rng: Rng) -> Path:
    """Two series of one patient, of which one is opened by its folder."""
    write_series(folder / "ct" / "late", _stored(rng), SeriesInstanceUID=OTHER_SERIES)
    write_series(folder / "ct" / "early", _stored(rng))
    return folder / "ct" / "early"


def _enhanced(folder: Path, rng: Rng) -> Path:
    stored = _stored(rng)
    (folder / "ct").mkdir()
    write_enhanced(
        folder / "ct" / "enhanced.dcm", stored, [(-20.0, -30.0, 2.0 * k) for k in range(len(stored))]
    )
    return folder / "ct"


def _nifti(ending: str) -> Callable[[Path, Rng], Path]:
    def lay(folder: Path, rng: Rng) -> Path:
        (folder / "ct").mkdir()
        return write_nifti(folder / "ct" / f"ct{ending}", _hu(rng), np.diag([-0.8, 0.7, 2.5, 1]))

    return lay


def _itk(ending: str) -> Callable[[Path, Rng], Path]:
    def lay(folder: Path, rng: Rng) -> Path:
        (folder / "ct").mkdir()
        image = SimpleITK.GetImageFromArray(_hu(rng))
        image.SetSpacing((0.8, 0.7, 2.5))
        SimpleITK.WriteImage(image, str(folder / "ct" / f"ct{ending}"))
        return folder / "ct" / f"ct{ending}"

    return lay


LAYOUTS: dict[str, Callable[[Path, Rng], Path]] = {
    "a series": _series,
    "a series by halves": _halves,
    "a series that is partly linked": _linked,
    "one of two series": _two_scans,
    "one file of many frames": _enhanced,
    "NIfTI": _nifti(".nii"),
    "packed NIfTI": _nifti(".nii.gz"),
    "NIfTI in two files": _nifti(".hdr"),
    "NRRD": _itk(".nrrd"),
    "NRRD in two files": _itk(".nhdr"),
    "MetaImage": _itk(".mha"),
    "MetaImage in two files": _itk(".mhd"),
}
"""How a case lies on the disk; each gives what is opened of it."""
