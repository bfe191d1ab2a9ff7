"""`attunet predict`: draft every CT of a file or folder and write each mask on the grid of its source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attunet_gui.app.case_drafting import (
    CaseDraft,
    DraftHandlers,
    DraftRequest,
    draft_case,
    not_drafted_message,
)
from attunet_gui.app.case_opening import CtFiles, OpenRequest, open_case
from attunet_gui.app.network_jobs import JobHandlers
from attunet_gui.cli.console import console, progress_bar
from attunet_gui.cli.model_commands import choose_model
from attunet_gui.core.provenance import (
    NOT_A_DEVICE_WARNING,
    former_mask_record_path,
    mask_record_path,
    source_record,
)
from attunet_gui.core.volume import Volume
from attunet_gui.io.case_discovery import CaseRef, find_images, label_maps_sentence
from attunet_gui.io.image_format_registry import strip_format_suffix
from attunet_gui.io.result_writing import make_folder, write_float_map, write_json, write_mask
from attunet_gui.network.inference import LoadedModel, load_model, predict_volume, with_test_time_transforms
from attunet_gui.network.model_bundle import ModelBundle
from attunet_gui.prediction.map_overlays import make_overlays
from attunet_gui.prediction.network_prediction import NetworkPrediction, draft_mask
from attunet_gui.system.errors import AttunetError, InvalidModelBundle, UnreadableInput, UnwritableOutput
from attunet_gui.system.plurals import counted
from attunet_gui.system.progress import ProgressCallback, StageTimer
from attunet_gui.system.software_versions import software_versions, utc_timestamp
from attunet_gui.workers.inference_messages import NetworkRequest, PredictRequest

_MADE_BY = "attunet predict"
# Names of what this command writes; such files among the sources are results, not CT.
_OUR_OUTPUT_NAME = re.compile(r"_(pancreas|probability|gate\d+)$")


@dataclass(frozen=True)
class PredictCommandOptions:
    """Options of a prediction.

    Attributes:
        write_gates: also write the gate coefficients.
        write_probability: also write the probability.
        overwrite: replace masks that were not written by this command, corrected ones too.
        use_tta: average the probabilities of several transformed inputs (test-time augmentation).
    """

    write_gates: bool = False
    write_probability: bool = False
    overwrite: bool = False
    use_tta: bool = False


@dataclass(frozen=True)
class PredictBatch:
    """What is common to all cases of one command.

    Attributes:
        output: folder for the results.
        get_model: returns the model, waiting until it is loaded; raises `InvalidModelBundle` if it is
            damaged.
        options: options.
    """

    output: Path
    get_model: Callable[[], LoadedModel]
    options: PredictCommandOptions


def predict_all(source: Path, output: Path, model_name: str | None, wanted: PredictCommandOptions) -> int:
    """Draft every CT at `source` into the folder `output`.

    A case that fails does not stop the others.

    Returns:
        The exit code 0.

    Raises:
        UnreadableInput: no CT was found.
        InvalidModelBundle: there is no such model, or it is damaged.
        AttunetError: some cases failed; each is named with its reason.
    """
    with progress_bar("looking for CT") as progress:
        cases = _find_cases(source, output, progress)
    bundle = choose_model(model_name)
    make_folder(output)
    with ThreadPoolExecutor(1, "attunet-model") as beside:
        # The model is loaded while the first CT is read.
        model = beside.submit(_load_model_for, bundle, wanted)
        return _predict_cases(cases, source, PredictBatch(output, model.result, wanted))


def _load_model_for(bundle: ModelBundle, wanted: PredictCommandOptions) -> LoadedModel:
    """Load the model, with test-time augmentation if the options ask for it."""
    return with_test_time_transforms(load_model(bundle)) if wanted.use_tta else load_model(bundle)


def _predict_cases(cases: list[CaseRef], source: Path, work: PredictBatch) -> int:
    """Draft the cases one after the other, collect the sentences of those that fail, and sum up."""
    failures: list[tuple[CaseRef, str]] = []
    for number, case in enumerate(cases, start=1):
        try:
            done = _predict_case(case, source, work)
        except InvalidModelBundle:
            # Without a model every other case would fail with the same sentence.
            raise
        except Exception as error:
            failures.append((case, not_drafted_message(error)))
        else:
            console.print(f"[{number}/{len(cases)}] {done}")
    return _print_failures(failures, len(cases))


def _find_cases(source: Path, output: Path, progress: ProgressCallback) -> list[CaseRef]:
    """Find the CT at `source`, and print what was left out and why; `UnreadableInput` if there is none."""
    # Results of an earlier run that lie among the sources are no CT to draft again.
    inside = source.is_dir() and output.resolve().is_relative_to(source.resolve())
    found = find_images(source, progress)

    def wanted(path: Path, name: str) -> bool:
        """Return whether a file is none of our results."""
        return not (inside and (_OUR_OUTPUT_NAME.search(name) or _is_below(path, output, source)))

    cases = [case for case in found.cases if wanted(case.path, case.name)]
    left_out = len(found.cases) - len(cases) + len(found.label_maps)
    if left_out:
        console.print(f"{counted(left_out, 'file')} left out: label maps or results, not CT")
    label_maps = [path for path in found.label_maps if wanted(path, strip_format_suffix(path.name))]
    if label_maps:
        console.print(label_maps_sentence(len(label_maps)))
    for path, reason in found.doubtful:
        if wanted(path, strip_format_suffix(path.name)):
            console.print(f"{path.relative_to(source)} was left out. {reason}")
    if not cases:
        raise UnreadableInput(
            f"No CT was found in {source}: expected NIfTI, NRRD, MHA/MHD files or DICOM series."
        )
    return cases


def _is_below(path: Path, output: Path, source: Path) -> bool:
    """Return whether `path` lies in the folder of results, if that is not the folder of the sources too."""
    return output.resolve() != source.resolve() and path.resolve().is_relative_to(output.resolve())


def _check_replaceable(mask: Path) -> None:
    """Check that no mask is there but one that an earlier `attunet predict` wrote.

    Raises:
        UnwritableOutput: the mask was drawn or corrected by an annotator, or is of unknown origin.
    """
    # The record beside a mask says who made it. Earlier versions kept it under another name.
    record = mask_record_path(mask)
    if not record.exists():
        record = former_mask_record_path(mask)
    elif not _is_our_record(record):
        raise UnwritableOutput(
            f"{mask} was corrected by a person; write to another folder, or use --overwrite."
        )
    if mask.exists() and not _is_our_record(record):
        raise UnwritableOutput(
            f"{mask} is there already and was not written by attunet predict; "
            "write to another folder, or use --overwrite."
        )


def _is_our_record(record: Path) -> bool:
    """Return whether a record says that `attunet predict` wrote its mask; an unreadable one does not."""
    try:
        found = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("made_by") == _MADE_BY


def _mark_unfinished(mask: Path, case: CaseRef) -> None:
    """Write a record that says the mask is unfinished and ours, before the mask itself is written.

    If the disk is full after the mask, the next run knows by it that the mask may be replaced. A mask of
    somebody else, which --overwrite replaces, gets its record only after it is replaced.
    """
    try:
        _check_replaceable(mask)
    except UnwritableOutput:
        return
    write_json(mask_record_path(mask), {"made_by": _MADE_BY, "case": case.name, "unfinished": True})


def _forget_former_record(mask: Path) -> None:
    """Remove the record under the name of earlier versions, which would contradict the new one."""
    former = former_mask_record_path(mask)
    if former != mask_record_path(mask) and _is_our_record(former):
        with suppress(OSError):
            former.unlink()


def _predict_case(case: CaseRef, root: Path, work: PredictBatch) -> str:
    """Draft one CT and write mask, maps and record.

    Args:
        case: the CT.
        root: what the command was given; the record names the CT relative to its parent.
        work: model, folder and options.

    Returns:
        The line to print.
    """
    output, wanted = work.output, work.options
    path = output / f"{case.name}_pancreas.nii.gz"
    if not wanted.overwrite:
        _check_replaceable(path)
    clock = StageTimer()
    with progress_bar(case.name) as progress:
        if case.refused:
            raise UnreadableInput(case.refused)
        ct = CtFiles((case.path,), case.series, case.caution)
        volume = open_case(OpenRequest(ct, with_mask=False), progress).volume
        clock.record_stage("read")
        model = work.get_model()
        clock.record_stage("load")
        draft = _draft_here(volume, model, progress)
        # The prediction tells of its own stages.
        clock.record_stage("draft")
        _mark_unfinished(path, case)
        write_mask(path, draft.mask, volume)
        _write_maps(case.name, output, volume, draft.prediction, wanted)
        clock.record_stage("write")
    shown = {"calibration": model.card.calibration.model_dump(), "looks": 1 + len(model.test_time_transforms)}
    entry = _record_entry(volume, draft, clock) | shown
    # The record comes last and replaces the unfinished one: it is true only now. Its path is relative, as an
    # absolute one names folders of this computer.
    inside = case.path.relative_to(root.parent)
    write_json(mask_record_path(path), {"case": case.name, "input": inside.as_posix(), **entry})
    _forget_former_record(path)
    notes = "".join(f"\n    note: {note}" for note in volume.notes)
    return f"{path}: pancreas {draft.volume_ml:.1f} ml, {clock.total_seconds:.1f} s{notes}"


class _LoadedModelNetwork:
    """A `DraftNetwork` with a model in this process: the draft is done before `submit` returns."""

    def __init__(self, model: LoadedModel, progress: ProgressCallback) -> None:
        self._model, self._progress = model, progress

    def submit(self, request: NetworkRequest, handlers: JobHandlers) -> None:
        """Draft; the seconds of the prediction have the stages "predict" and "draft" as well."""
        if not isinstance(request, PredictRequest) or request.volume is None:
            raise TypeError("A loaded model drafts a CT, and nothing else.")
        clock = StageTimer()
        prediction = predict_volume(request.volume, self._model, self._progress)
        clock.record_stage("predict")
        mask = draft_mask(prediction)
        clock.record_stage("draft")
        seconds = {**clock.seconds, **prediction.seconds}
        handlers.drafted(replace(prediction, seconds=seconds), mask)


def _draft_here(volume: Volume, model: LoadedModel, progress: ProgressCallback) -> CaseDraft:
    """Draft a CT in this process, and wait for it."""
    drafts: list[CaseDraft] = []
    request = DraftRequest(volume, model.bundle.folder)
    draft_case(request, _LoadedModelNetwork(model, progress), DraftHandlers(drafts.append))
    return drafts[0]


def _write_maps(
    name: str, output: Path, volume: Volume, prediction: NetworkPrediction, wanted: PredictCommandOptions
) -> None:
    """Write the probability and the gate coefficients that the options ask for, as maps in [0, 1]."""
    chosen = ["probability"] * wanted.write_probability
    chosen += [f"gate {gate.level}" for gate in prediction.gates] * wanted.write_gates
    for overlay in make_overlays(prediction) if chosen else ():
        if overlay.key in chosen:
            path = output / f"{name}_{overlay.key.replace(' ', '')}.nii.gz"
            write_float_map(path, np.clip(overlay.map[:], 0, 1), volume)


def _record_entry(volume: Volume, draft: CaseDraft, clock: StageTimer) -> dict[str, Any]:
    """Return the content of the record beside a mask: volume (ml), times, model, settings and source."""
    prediction = draft.prediction
    seconds = clock.seconds | dict(prediction.seconds) | {"total": clock.total_seconds}
    return {
        "made_by": _MADE_BY,
        "volume_ml": round(draft.volume_ml, 3),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "model": asdict(prediction.model),
        "threshold": prediction.threshold,
        "smallest_piece_ml": prediction.smallest_piece_ml,
        "gland": prediction.gland.model_dump(),
        "source": source_record(volume),
        "notes": list(volume.notes),
        "made": utc_timestamp(),
        "versions": software_versions(),
        "warning": NOT_A_DEVICE_WARNING,
    }


def _print_failures(failures: list[tuple[CaseRef, str]], total: int) -> int:
    """Print the failures and return 0 if there are none.

    Raises:
        AttunetError: some cases failed; for a single case, with the sentence of its failure.
    """
    if not failures:
        return 0
    if total == 1:
        raise AttunetError(failures[0][1])
    console.print(f"{len(failures)} of {counted(total, 'case')} failed:")
    for case, sentence in failures:
        console.print(f"  {case.name}: {' '.join(sentence.split())}")
    raise AttunetError(f"{len(failures)} of {counted(total, 'case')} failed; the others are written.")
