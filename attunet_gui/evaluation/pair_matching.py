"""Comparison of the drafts in one folder with the truths in another; files are matched by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attunet_gui.evaluation.pair_scores import compare_masks
from attunet_gui.evaluation.pair_table import PairRow
from attunet_gui.evaluation.slice_excerpts import SliceExcerpt
from attunet_gui.io.ct_reading import read_ct_volume
from attunet_gui.io.datasets.dataset_layouts import read_label_values
from attunet_gui.io.datasets.pair_dataset import read_people_by_case
from attunet_gui.io.image_format_registry import (
    label_file_suffixes,
    label_format_names,
    strip_format_suffix,
)
from attunet_gui.io.label_values import LabelValues, distinct_labels, with_chosen_label
from attunet_gui.io.mask_reading import LabelFile, read_labels
from attunet_gui.system.errors import AttunetError, UnreadableInput
from attunet_gui.system.folders import list_folder
from attunet_gui.system.plurals import counted, plural_of
from attunet_gui.system.progress import ProgressCallback, no_progress

# `attunet predict` and nnU-Net append these to the name of a case.
_ADDED_SUFFIX = re.compile(r"(_pancreas|_0000)$")
_CROP_MARGIN_MM = 40.0
# HU that are drawn where there is no CT: black in every window.
_HU_WITHOUT_CT = -1000


@dataclass(frozen=True)
class PairComparisonOptions:
    """The options of a comparison.

    Attributes:
        drafts, truths: folders of label files, or data sets whose label files are used.
        images: folder of the CT for the pictures; None draws outlines only.
        label: the value of the organ in truths; None uses the description of the data set, or the only value
            besides 0.
        draft_label: the value of the organ in drafts; None works as for truths, and takes `label` where a
            draft holds several values.
        ignore: the value in truths of voxels that are not judged; None uses `dataset.json` if there is one.
    """

    drafts: Path
    truths: Path
    images: Path | None = None
    label: int | None = None
    ignore: int | None = None
    draft_label: int | None = None


@dataclass(frozen=True)
class _PairFiles:
    name: str
    person: str
    draft: Path
    truth: Path
    image: Path | None


@dataclass(frozen=True, eq=False)
class ComparedPair:
    """One compared pair.

    Attributes:
        row: its scores.
        view: the slice in which draft and truth differ most.
    """

    row: PairRow
    view: SliceExcerpt = field(repr=False)


def compare_pair_files(
    order: PairComparisonOptions, progress: ProgressCallback = no_progress
) -> Iterator[ComparedPair]:
    """Yield the comparison of every truth with its draft, ordered by name; drafts without a truth are
    ignored.

    Args:
        order: the options.
        progress: is called after each pair; it may raise `WorkCancelled`.

    Raises:
        AttunetError: if a folder has no label files, or a truth has no draft.
        UnreadableInput: if a file cannot be read, or a draft lies on another grid than its truth.
    """
    listed = _match_pair_files(order)
    meant = _label_meanings(order)
    for number, files in enumerate(listed, start=1):
        yield _compare_pair(files, meant)
        progress(number, len(listed), "comparing")


@dataclass(frozen=True)
class _LabelMeanings:
    """The meaning of the label values in truths and in drafts.

    Attributes:
        truth, draft: the meanings.
        guessed: the label of the truths, where it is also used for drafts that nothing describes; else None.
    """

    truth: LabelValues
    draft: LabelValues
    guessed: int | None


def _label_meanings(order: PairComparisonOptions) -> _LabelMeanings:
    truth = with_chosen_label(order.label, read_label_values(order.truths))
    if order.ignore is not None:
        truth = replace(truth, ignore=order.ignore)
    draft = with_chosen_label(order.draft_label, read_label_values(order.drafts))
    return _LabelMeanings(truth, draft, None if draft.organ else order.label)


def _organ_mask_of_draft(labels: LabelFile, meant: _LabelMeanings) -> NDArray[np.uint8]:
    if meant.guessed is None:
        return labels.pancreas_mask(meant.draft)
    found = distinct_labels(labels.values, labels.name)
    if len(found) == 1 and found[0] != meant.guessed:
        # Either a mask with a value of its own, or a label map without the organ. The file does not tell
        # which.
        raise UnreadableInput(
            f"{labels.name} holds the label {found[0]} alone, not {meant.guessed}: say which value is the "
            "pancreas in the drafts with --pred-label VALUE."
        )
    return labels.pancreas_mask(with_chosen_label(meant.guessed, meant.draft))


def _match_pair_files(order: PairComparisonOptions) -> list[_PairFiles]:
    drafts, truths = _files_by_case(order.drafts), _files_by_case(order.truths)
    images = _files_by_case(order.images, ("imagesTr", "images")) if order.images else {}
    people = read_people_by_case(order.truths) or read_people_by_case(order.truths.parent)
    missing = sorted(truths.keys() - drafts.keys())
    if missing:
        raise AttunetError(
            f"{len(missing)} of {counted(len(truths), 'case')} in {order.truths} "
            f"{plural_of(len(missing), 'has', 'have')} no draft in {order.drafts}, "
            f"such as {missing[0]}; name the files alike."
        )
    return [
        _PairFiles(name, people.get(name, (name,))[0], drafts[name], truths[name], images.get(name))
        for name in sorted(truths)
    ]


def _files_by_case(folder: Path, within: tuple[str, ...] = ("labelsTr", "labels")) -> Mapping[str, Path]:
    """Return name of the case -> file, for the files of a folder or of the folder `within` a data set."""
    for inner in within:
        folder = folder / inner if (folder / inner).is_dir() else folder
    files = [path for path in list_folder(folder) if path.name.lower().endswith(label_file_suffixes())]
    if not files:
        raise AttunetError(f"There are no files in {folder}: {label_format_names()} were expected.")
    plain = {path: _ADDED_SUFFIX.sub("", strip_format_suffix(path.name)) for path in sorted(files)}
    found: dict[str, Path] = {}
    for path, name in plain.items():
        # A folder of `attunet predict` may hold maps of gates and probability beside the masks.
        if name.endswith(("_probability", *(f"_gate{level}" for level in range(1, 10)))):
            continue
        if name in found:
            raise AttunetError(f"{folder} has two files for {name}: {found[name].name} and {path.name}.")
        found[name] = path
    return found


def _compare_pair(files: _PairFiles, meant: _LabelMeanings) -> ComparedPair:
    truth, draft = _labels_on_one_grid(files)
    spacing_mm = truth.placement.canonical.spacing_mm
    judged = np.True_ if meant.truth.ignore is None else truth.values != meant.truth.ignore
    masks = [
        (mask & judged).astype(np.uint8)
        for mask in (_organ_mask_of_draft(draft, meant), truth.pancreas_mask(meant.truth))
    ]
    row = PairRow(files.name, files.person, compare_masks(masks[0], masks[1], spacing_mm))
    return ComparedPair(row, _worst_slice_excerpt(files, row, masks[0], masks[1], spacing_mm))


def _labels_on_one_grid(files: _PairFiles) -> tuple[LabelFile, LabelFile]:
    """Return truth and draft on one grid; if one is cut out of the grid of the other, on the larger grid."""
    truth, draft = read_labels(files.truth), read_labels(files.draft)
    if placed := draft.on_grid_of(truth.placement):
        return truth, placed
    if placed := truth.on_grid_of(draft.placement):
        return placed, draft
    raise UnreadableInput(
        f"{files.draft} does not lie on the grid of {files.truth}: {_shape_text(draft)} voxels against "
        f"{_shape_text(truth)}, or elsewhere in the patient; bring it onto that grid first."
    )


def _shape_text(labels: LabelFile) -> str:
    return " x ".join(map(str, labels.placement.source.shape))


def _worst_slice_excerpt(
    files: _PairFiles,
    row: PairRow,
    draft: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
) -> SliceExcerpt:
    z = int(np.argmax((draft != truth).sum(axis=(1, 2))))
    at = (z, *_crop_around_mask(draft[z] | truth[z], spacing_mm))
    hu: NDArray[np.int16] | NDArray[np.float32] = np.full(draft.shape[1:], _HU_WITHOUT_CT, np.int16)[at[1:]]
    if files.image is not None:
        volume = read_ct_volume(files.image)
        if volume.hu.shape == draft.shape:
            hu = volume.hu[at].copy()
    return SliceExcerpt(
        title=f"{row.name}, slice {z + 1} of {len(draft)}, DSC {row.scores.dsc:.2f}",
        dsc=row.scores.dsc,
        hu=hu,
        truth=truth[at].copy(),
        draft=draft[at].copy(),
        maps=(),
        aspect=spacing_mm[1] / spacing_mm[2],
    )


def _crop_around_mask(mask: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> tuple[slice, slice]:
    """Return the rows and columns around the mask (y, x) with a margin; the whole plane if it is empty."""
    box = []
    for axis, size, step in zip((1, 0), mask.shape, spacing_mm[1:], strict=True):
        at = np.flatnonzero(mask.any(axis=axis))
        margin = round(_CROP_MARGIN_MM / step)
        box.append(slice(max(0, at[0] - margin), at[-1] + margin + 1) if len(at) else slice(0, size))
    return box[0], box[1]
