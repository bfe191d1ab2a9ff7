"""The manifest.json of an export: every case, who made it and how, and the SHA-256 of every file.

The names of all fields are those in the file and must stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from attunet_gui.io.datasets.pair_dataset import MANIFEST_FILE
from attunet_gui.prediction.model_card import first_validation_fault
from attunet_gui.system.errors import AttunetError
from attunet_gui.system.folders import list_folder
from attunet_gui.system.hashing import sha256_of_file

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _relative_path(path: str) -> str:
    # A manifest from elsewhere must not make a later export read or link files outside of its folder.
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or parts[0] == "/" or "\\" in path or re.match(r"[A-Za-z]:", path):
        raise ValueError("a path within the export was expected")
    return path


class _ManifestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ManifestFileEntry(_ManifestModel):
    """A file of the export; `path` is relative to the folder of the export, with slashes."""

    path: Annotated[str, AfterValidator(_relative_path)]
    bytes: int = Field(ge=0)
    sha256: _Sha256

    def is_unchanged_in(self, folder: Path) -> bool:
        """Whether the file is in `folder`, byte by byte as it was written."""
        try:
            return file_entry(folder, self.path) == self
        except OSError:
            return False


class AnnotationEntry(_ManifestModel):
    """How the labels of a case were made.

    Attributes:
        annotator: pseudonym of the annotator.
        model: the model that drafted the case; None if it was drawn by hand.
        edits: number of uses of each tool.
        active_seconds: active time at work.
        time: when the mask was saved, in UTC.
        verified: slices (z of the canonical grid, 0 nearest to the feet) that a person has seen; None is all.
        corrected: slices in which a person changed the mask, or that they declared right; None if not known.
    """

    annotator: str | None
    model: str | None
    edits: Mapping[str, int]
    active_seconds: float = Field(ge=0)
    time: AwareDatetime | None
    verified: tuple[int, ...] | None
    corrected: tuple[int, ...] | None = None


class ManifestCaseEntry(_ManifestModel):
    """A case of the export.

    Attributes:
        name: pseudonym of the case.
        subject: pseudonym of the person; cases that share one must never be on both sides of a split.
        shape: shape of the source grid in array order (i, j, k).
        spacing_mm: size of a voxel along the same axes.
        sheared: whether the axes are not at right angles, as after a tilted gantry.
        pancreas_ml: volume of the mask in the verified slices.
        annotation: how the labels were made.
        files: the files of the case.
        fingerprint: by which a later export recognises whether the case has changed.
        source: file name of the CT; None unless identifiers were kept.
    """

    name: str
    subject: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    sheared: bool
    pancreas_ml: float
    annotation: AnnotationEntry
    files: tuple[ManifestFileEntry, ...]
    fingerprint: _Sha256
    source: str | None = None

    def is_unchanged_in(self, folder: Path) -> bool:
        """Whether every file of the case is in `folder` as it was written."""
        return all(file.is_unchanged_in(folder) for file in self.files)


class ExportManifest(_ManifestModel):
    """The content of `manifest.json`.

    Attributes:
        made_by: program and version.
        made: when the export was made, in UTC.
        format: name of the format in `EXPORT_FORMATS`.
        identifiers: whether names and UIDs of the source were removed or kept.
        labels: value of each label by its name, in the label files or in the segmentation.
        cases: the cases in the order of their names.
        files: the files that belong to no single case, without the manifest itself.
    """

    made_by: str
    made: AwareDatetime
    format: str
    identifiers: Literal["removed", "kept"]
    labels: Mapping[str, int]
    cases: tuple[ManifestCaseEntry, ...]
    files: tuple[ManifestFileEntry, ...] = ()

    @property
    def cases_by_name(self) -> dict[str, ManifestCaseEntry]:
        """The cases by their names."""
        return {case.name: case for case in self.cases}

    def has_shared_files(self, folder: Path) -> bool:
        """Whether the files that belong to no single case are in `folder` as they were written."""
        return all(file.is_unchanged_in(folder) for file in self.files)

    @property
    def all_paths(self) -> frozenset[str]:
        """Paths of all files that the export made, the manifest included."""
        listed = [*self.files, *(file for case in self.cases for file in case.files)]
        return frozenset([MANIFEST_FILE, *(file.path for file in listed)])


def file_entry(folder: Path, path: str) -> ManifestFileEntry:
    """Read the file `path` in `folder` and return its entry; `OSError` if it cannot be read."""
    file = folder / path
    return ManifestFileEntry(path=path, bytes=file.stat().st_size, sha256=sha256_of_file(file))


def file_entries_below(folder: Path) -> tuple[ManifestFileEntry, ...]:
    """Return the entries of all files below `folder`, in the order of their paths."""
    return tuple(file_entry(folder, path) for path in sorted(files_below(folder)))


def files_below(folder: Path) -> Iterable[str]:
    """Yield the path of every file below `folder`, relative to it and with slashes. Links are not followed.

    Raises:
        UnreadableInput: if a folder cannot be read.
    """
    for path in list_folder(folder, hidden=True):
        if path.is_dir() and not path.is_symlink():
            yield from (f"{path.name}/{below}" for below in files_below(path))
        else:
            yield path.name


def read_export_manifest(folder: Path) -> ExportManifest:
    """Read the manifest of the export in `folder`.

    Raises:
        AttunetError: if there is none, or it is damaged.
    """
    try:
        return ExportManifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise AttunetError(f"{folder} is not an export: it has no {MANIFEST_FILE}.") from error
    except ValidationError as error:
        place, fault = first_validation_fault(error)
        raise AttunetError(f"{MANIFEST_FILE} in {folder} is damaged, {place}: {fault}.") from error
