"""What holds for every format in the registry; one that is added is picked up here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal

from attunet_gui.export import (
    EXPORT_FORMATS,
    ExportManifest,
    ExportOptions,
    export_dataset,
    export_format_named,
    read_export_manifest,
)
from attunet_gui.export.export_format import ExportFormat
from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.system.progress import ProgressCallback
from tests.support.export_cases import (
    IDENTITY,
    KINDS,
    MASK,
    STORED,
    WHEN,
    every_file,
    expected_labels,
    listed,
    make_case,
    nib_array,
)

PARTLY = frozenset({1, 2, 5})


def seg_labels(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """HU and mask, slice by slice as the images in the export say, by pydicom and highdicom alone."""
    images = [pydicom.dcmread(path) for path in (folder / name / "ct").iterdir()]
    images.sort(key=lambda image: image.ImagePositionPatient[2])
    seg = highdicom.seg.segread(folder / name / "pancreas.dcm")
    mask = seg.get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in images],
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    hu = [image.pixel_array * image.RescaleSlope + image.RescaleIntercept for image in images]
    return np.array(hu), mask[..., 0]


def pairs_of(image: str, label: str) -> Callable[[Path, str], tuple[np.ndarray, np.ndarray]]:
    return lambda folder, name: (
        nib_array(folder / image.format(name)),
        nib_array(folder / label.format(name)),
    )


READ_BACK = {
    "nnunet": pairs_of("imagesTr/{}_0000.nii.gz", "labelsTr/{}.nii.gz"),
    "msd": pairs_of("imagesTr/{}.nii.gz", "labelsTr/{}.nii.gz"),
    "nifti": pairs_of("images/{}.nii.gz", "labels/{}.nii.gz"),
    "dicomseg": seg_labels,
}
"""(folder, name) -> HU and labels (k, j, i), by other software."""

formats = pytest.mark.parametrize("form", EXPORT_FORMATS, ids=lambda form: form.name)
holders = pytest.mark.parametrize(
    ("form", "kind"),
    [(form, kind) for form in EXPORT_FORMATS for kind in KINDS if form.name != "dicomseg" or "dicom" in kind],
    ids=lambda each: getattr(each, "name", each),
)


def order(folder: Path, form: ExportFormat) -> ExportOptions:
    return ExportOptions(folder, form, IDENTITY)


def cancelling(steps: int) -> ProgressCallback:
    """Cancels after so many steps."""
    left = iter(range(steps))

    def report(_done: int, _total: int, _stage: str) -> None:
        if next(left, None) is None:
            raise WorkCancelled

    return report


def test_every_format_is_tested() -> None:
    assert {form.name for form in EXPORT_FORMATS} == set(READ_BACK)
    assert len({form.name for form in EXPORT_FORMATS}) == len(EXPORT_FORMATS)
    assert all(export_format_named(form.name) is form for form in EXPORT_FORMATS)
    with pytest.raises(AttunetError, match="'word': choose one of nnunet, msd"):
        export_format_named("word")


@holders
@pytest.mark.parametrize("verified", [None, PARTLY], ids=["all verified", "partly"])
def test_other_software_reads_the_same_voxels(
    tmp_path: Path, form: ExportFormat, kind: str, verified: frozenset[int] | None
) -> None:
    case = make_case(tmp_path / "source", kind, verified=verified)
    report = export_dataset([case], order(tmp_path / "out", form))
    assert (report.added, report.refused) == (("case-1",), {})
    hu, labels = READ_BACK[form.name](tmp_path / "out", "case-1")
    assert_array_equal(hu, STORED.astype(np.int16) - 1024)
    assert_array_equal(labels, expected_labels(verified) if "ignore" in form.labels else MASK)


@formats
def test_the_manifest_names_every_file_and_what_was_done(tmp_path: Path, form: ExportFormat) -> None:
    case = make_case(tmp_path / "source", "dicom", verified=PARTLY)
    export_dataset([case], order(tmp_path / "out", form))
    manifest = read_export_manifest(tmp_path / "out")
    entry = manifest.cases_by_name["case-1"]
    sums = {path: hashlib.sha256(b).hexdigest() for path, b in every_file(tmp_path / "out").items()}
    assert sums == listed(manifest.files) | listed(entry.files) | {"manifest.json": sums["manifest.json"]}
    said = entry.annotation
    assert (said.model, said.edits, said.active_seconds) == ("starter-2 c0ffee", {"brush": 3}, 61.5)
    assert (said.time, said.verified) == (WHEN, (1, 2, 5))
    assert (entry.shape, entry.subject, entry.sheared) == ((4, 5, 6), "case-1", False)
    assert said.annotator is not None
    assert said.annotator.startswith("annotator-")
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text()


@formats
def test_a_second_export_adds_replaces_and_says_so(tmp_path: Path, form: ExportFormat) -> None:
    one, two, three = (make_case(tmp_path / name, "dicom", name) for name in ("one", "two", "three"))
    wanted = order(tmp_path / "out", form)
    export_dataset([one, two], wanted)
    before = every_file(tmp_path / "out")
    again = export_dataset([one, two], wanted)
    assert (again.added, again.replaced, again.unchanged) == ((), (), ("one", "two"))
    assert every_file(tmp_path / "out") == before

    changed = make_case(tmp_path / "two", "dicom", "two", frozenset({0, 1}))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    report = export_dataset([changed, three], wanted)
    assert (report.added, report.replaced) == (("three",), ("two",))
    assert (report.unchanged, report.others) == ((), ("one",))
    after = every_file(tmp_path / "out")
    of_one = {path: content for path, content in before.items() if "one" in path}
    assert of_one.items() <= after.items()
    assert after["notes.txt"] == b"mine"
    manifest = read_export_manifest(tmp_path / "out")
    assert sorted(manifest.cases_by_name) == ["one", "three", "two"]
    assert all(entry.is_unchanged_in(tmp_path / "out") for entry in manifest.cases)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "three", "two"]


@formats
def test_what_was_damaged_or_taken_away_is_put_back(tmp_path: Path, form: ExportFormat) -> None:
    cases = [make_case(tmp_path / name, "dicom", name) for name in ("one", "two")]
    wanted = order(tmp_path / "out", form)
    export_dataset(cases, wanted)
    files = [path for path in every_file(tmp_path / "out") if path != "manifest.json"]
    for path in files:
        content = (tmp_path / "out" / path).read_bytes()
        (tmp_path / "out" / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        export_dataset(cases, wanted)
        (tmp_path / "out" / path).unlink()
        export_dataset(cases, wanted)
        manifest = read_export_manifest(tmp_path / "out")
        assert manifest.has_shared_files(tmp_path / "out")
        assert all(entry.is_unchanged_in(tmp_path / "out") for entry in manifest.cases)
    assert set(files) < set(every_file(tmp_path / "out"))


@formats
def test_a_case_that_cannot_be_read_stops_no_other(tmp_path: Path, form: ExportFormat) -> None:
    good, gone, other = (make_case(tmp_path / name, "dicom", name) for name in ("good", "gone", "other"))
    gone.mask.unlink()
    (other.image / "im000").write_bytes((other.image / "im000").read_bytes()[:-20])
    report = export_dataset([gone, other, good], order(tmp_path / "out", form))
    assert report.added == ("good",)
    assert report.refused["gone"].startswith("gone cannot be read")
    assert "im000 is damaged" in report.refused["other"]
    assert list(read_export_manifest(tmp_path / "out").cases_by_name) == ["good"]


@formats
def test_nothing_to_export_makes_no_folder(tmp_path: Path, form: ExportFormat) -> None:
    case = make_case(tmp_path / "source", "dicom", verified=frozenset())
    report = export_dataset([case], order(tmp_path / "out", form))
    assert report.refused == {
        "case-1": "Nobody has verified a slice of case-1: there is nothing to export of it."
    }
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@formats
def test_cancelled_at_any_step_leaves_everything_as_it_was(tmp_path: Path, form: ExportFormat) -> None:
    first, second = (make_case(tmp_path / name, "dicom", name) for name in ("one", "two"))
    wanted = order(tmp_path / "out", form)
    export_dataset([first], wanted)
    before = every_file(tmp_path / "out")
    for steps in range(0, 200, 5):
        try:
            export_dataset([first, second], wanted, cancelling(steps))
        except WorkCancelled:
            assert every_file(tmp_path / "out") == before
            assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "two"]
        else:
            break
    assert steps > 0
    assert sorted(read_export_manifest(tmp_path / "out").cases_by_name) == ["one", "two"]


def test_what_is_in_the_folder_is_never_overwritten(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "nifti")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work")
    with pytest.raises(AttunetError, match="taken is not empty and holds no export"):
        export_dataset([case], order(taken, EXPORT_FORMATS[0]))
    assert every_file(taken) == {"thesis.txt": b"years of work"}
    export_dataset([case], order(tmp_path / "out", EXPORT_FORMATS[0]))
    with pytest.raises(AttunetError, match="holds an export as nnunet with identifiers removed"):
        export_dataset([case], order(tmp_path / "out", EXPORT_FORMATS[1]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source", "taken"]


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_dataset([make_case(tmp_path / "source", "nifti")], order(tmp_path / "out", EXPORT_FORMATS[0]))
    assert read_export_manifest(tmp_path / "out").cases_by_name


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a.b", "-a", "NUL", "ä", "x" * 64])
def test_a_name_that_fits_no_file_is_refused(tmp_path: Path, name: str) -> None:
    case = make_case(tmp_path / "source", "nifti", name)
    with pytest.raises(AttunetError, match="does not fit a file"):
        export_dataset([case], order(tmp_path / "out", EXPORT_FORMATS[0]))


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    cases = [make_case(tmp_path / "source", "nifti", name) for name in ("Case", "case")]
    with pytest.raises(AttunetError, match="Two cases are called case"):
        export_dataset(cases, order(tmp_path / "out", EXPORT_FORMATS[0]))


def test_verified_slices_of_another_ct_are_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "nifti", verified=frozenset({2, 6}))
    report = export_dataset([case], order(tmp_path / "out", EXPORT_FORMATS[0]))
    assert "has 6 slices, but slice 6 was verified" in report.refused["case-1"]


def test_a_mask_that_somebody_changed_is_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "source", "nifti")
    saved = replace(case, mask_sha256=hashlib.sha256(case.mask.read_bytes()).hexdigest())
    assert export_dataset([saved], order(tmp_path / "out", EXPORT_FORMATS[0])).added == ("case-1",)
    case.mask.write_bytes(case.mask.read_bytes()[:-4] + b"oops")
    report = export_dataset([saved], order(tmp_path / "out", EXPORT_FORMATS[0]))
    assert "The mask of case-1 is not the one that was saved" in report.refused["case-1"]


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    export_dataset([make_case(tmp_path / "source", "nifti")], order(tmp_path / "out", EXPORT_FORMATS[0]))
    path = tmp_path / "out" / "manifest.json"
    said = json.loads(path.read_text())
    said["cases"][0]["files"][0]["path"] = "/etc/passwd"
    path.write_text(json.dumps(said))
    with pytest.raises(AttunetError, match=r"damaged, cases\.0\.files\.0\.path: .*within the export"):
        read_export_manifest(tmp_path / "out")
    for outside in ("../x", "a/../../x", "C:/x", "a\\b", ""):
        said["cases"][0]["files"][0]["path"] = outside
        with pytest.raises(ValueError, match="within the export"):
            ExportManifest.model_validate(said)
