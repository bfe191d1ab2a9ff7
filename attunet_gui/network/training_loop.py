"""Training: a job and its data in, a network out. The caller makes the cases and writes the bundle.

Batch and variation of a step follow from the seed and the number of the step alone, so a run that was stopped
goes on from its checkpoint with exactly the batches it would have seen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attunet_gui.network.augmentation import CropWindow, augment_batch
from attunet_gui.network.batch_prefetch import PrefetchQueue, prefetch_items
from attunet_gui.network.batch_sampling import IGNORED_LABEL, BatchSampler, TrainingBatch, TrainingData
from attunet_gui.network.compute_precision import dtype_policy, precision_for
from attunet_gui.network.families.family_registry import family_by_name, parse_config
from attunet_gui.network.families.model_family import PROBABILITY
from attunet_gui.network.model_bundle import ModelBundle, load_network
from attunet_gui.network.patch_blending import PatchLayout, patch_layout
from attunet_gui.network.tensorflow_runtime import keras, tf
from attunet_gui.network.training_checkpoint import (
    CHECKPOINT_FILE,
    NamedArrays,
    RunFolder,
    TrainingProgress,
    read_checkpoint,
    write_checkpoint,
)
from attunet_gui.network.training_config import CropSize, Precision, TrainingConfig
from attunet_gui.network.training_log import TrainingLog
from attunet_gui.network.training_losses import LOSSES, add_coarse_heads, coarse_loss, masked_loss
from attunet_gui.network.validation_scores import InferFunction, ValidationScores, validate_cases
from attunet_gui.prediction.preprocess import PreprocessingConfig
from attunet_gui.system.errors import AttunetError, WorkCancelled
from attunet_gui.system.progress import ProgressCallback, no_progress

_LOSS_WINDOW = 50
_TIMED_STEPS = 5


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, and how.

    Attributes:
        family, config: the network, as in a card.
        preprocessing: how its input is made.
        threshold: probability from which a pixel counts as organ in validation.
        settings: of the run.
        start: a bundle whose weights the network starts with; None starts with random ones.
        fold_calibration: move calibration and threshold of `start` into the weights, so that training goes on
            from the draft that the annotator sees; the new network's draft is then cut at a probability of
            0.5.
    """

    family: str
    config: dict[str, Any]
    preprocessing: PreprocessingConfig
    settings: TrainingConfig
    threshold: float = 0.5
    start: ModelBundle | None = None
    fold_calibration: bool = False

    @property
    def layout(self) -> PatchLayout | None:
        """How a 3-D network sees a volume; None for a 2-D network."""
        return patch_layout(parse_config(self.family, self.config), self.preprocessing.spacing_mm)

    def crop_size_at(self, step: int) -> CropSize | None:
        """Return (rows, columns) that step `step`, counted from 1, sees of a slice; None for all of it.

        A 3-D network sees its patches where the settings name no part.
        """
        named, layout = self.settings.crop_size_at(step), self.layout
        return named or (layout.patch[1:] if layout else None)


@dataclass(frozen=True)
class TrainingResult:
    """A trained network and how its run ended.

    Attributes:
        network: the Keras model in float32, with averaged weights.
        standing: progress of the run at its end.
        precision: the number format it was computed with.
        keep: "best" or "last", which weights these are.
    """

    network: Any
    standing: TrainingProgress
    precision: Precision
    keep: str

    @property
    def held_out_score(self) -> float | None:
        """Mean DSC of held-out slices with these weights; None without validation."""
        if not self.standing.best_step:
            return None
        return self.standing.best_score if self.keep == "best" else self.standing.last_score

    @property
    def waiting_share(self) -> float:
        """Share of the training time that was spent waiting for batches, 0 to 1."""
        return self.standing.waited / max(self.standing.seconds, 1e-9)


def train_network(
    job: TrainingJob,
    data: TrainingData,
    keep: RunFolder | None = None,
    progress: ProgressCallback = no_progress,
) -> TrainingResult:
    """Train, or go on from the checkpoint in `keep`.

    Args:
        job: what to train.
        data: cases to learn from and to validate on.
        keep: folder of checkpoint and log; None keeps neither.
        progress: gets loss, DSC and time left in its stage text after each step. It may raise
            `WorkCancelled`; then a checkpoint is written first.

    Raises:
        AttunetError: the checkpoint is damaged or of another run, a 3-D network is to learn from single
            slices, or the loss is no finite number.
        InvalidModelBundle: `job.start` does not fit the network.
    """
    _require_volumes(job, data)
    state = _TrainingState(job)
    log = TrainingLog(keep.folder if keep else None)
    found = read_checkpoint(keep.folder / CHECKPOINT_FILE, keep.fingerprint) if keep else None
    standing = state.restore_checkpoint(*found) if found else TrainingProgress()
    log.drop_rows_after(standing.step)
    run = _TrainingLoop(job, data, state, log, keep)
    standing = run.run_to_end(standing, progress)
    return TrainingResult(
        state.final_network(job.settings.keep), standing, state.precision, job.settings.keep
    )


@dataclass(frozen=True)
class TrainingPace:
    """How long the parts of a run take on this machine, in seconds.

    Attributes:
        step: one step.
        validation: one validation of the held-out cases.
        start: measuring this, and the start of the run itself.
    """

    step: float
    validation: float
    start: float


def measure_pace(job: TrainingJob, data: TrainingData) -> TrainingPace:
    """Measure the pace of `job` with a few steps and one validation; no result of them is kept."""
    began = perf_counter()
    _require_volumes(job, data)
    sampler = _batch_sampler(job, data)
    state = _TrainingState(job)
    view, taken = job.crop_size_at(1), []
    step = _step_function(state, view, partial=data.is_partial)
    for number in range(1, _TIMED_STEPS + 1):
        batch, since = sampler.draw_batch(number, job.settings.batch, view), perf_counter()
        step(batch, number)
        taken.append(perf_counter() - since)
    since = perf_counter()
    validate_cases(
        data.held_out,
        job.preprocessing.neighbours,
        job.threshold,
        inference_function(state.average),
        job.layout,
    )
    validation = perf_counter() - since
    # The first step includes compiling, which happens here and once more in the run. The minimum of the
    # others is the time that a step takes when no other program interferes.
    return TrainingPace(min(taken[1:]), validation, perf_counter() - began + taken[0])


def _require_volumes(job: TrainingJob, data: TrainingData) -> None:
    """Raise `AttunetError` if a 3-D network is to learn from single slices."""
    if job.layout is None:
        return
    cases = [case for source in data.sources for case in source.cases] + list(data.held_out)
    lone = next((case.name for case in cases if case.slice_mm is None), None)
    if lone is not None:
        raise AttunetError(
            f"A network of family {job.family} learns from whole volumes, but {lone} has single slices: "
            "leave these data out, or choose a 2-D family."
        )


def _batch_sampler(job: TrainingJob, data: TrainingData) -> BatchSampler:
    """Return what draws the batches of `job`."""
    return BatchSampler(
        data.sources, job.preprocessing.neighbours, job.settings.sampling, job.settings.seed, job.layout
    )


def steps_within(seconds: float, measured: TrainingPace, validations: int) -> int:
    """Return how many steps fit into `seconds` beside so many `validations`; at least one."""
    room = seconds - measured.start - validations * measured.validation
    return max(1, int(room / measured.step))


class _TrainingState:
    """Everything that a checkpoint holds: the network, its moving average, its best average and the
    optimiser.

    Attributes:
        network: what is trained.
        learner: the same network with the heads that only training has; `network` itself if it has none.
        average: the network with averaged weights.
        optimiser: of the variables of `learner`.
        best: the arrays of the best average.
    """

    def __init__(self, job: TrainingJob) -> None:
        keras.utils.set_random_seed(job.settings.seed)
        self.job = job
        self.precision = precision_for(job.settings)
        self.network = self._build_network(self.precision)
        # Only values are taken over: the network of the bundle may have been built in another precision.
        if job.start:
            self.network.set_weights(
                network_from_bundle(job.start, folded=job.fold_calibration).get_weights()
            )
        self.learner = self._add_heads()
        self.average = self._build_network(self.precision)
        self.average.set_weights(self.network.get_weights())
        self.optimiser = _build_optimiser(job.settings)
        self.optimiser.build(self.learner.trainable_variables)
        self.best: NamedArrays = {}

    def _build_network(self, precision: str) -> Any:
        """Build the network of the job in the given precision, with fresh weights."""
        with dtype_policy(precision):
            return family_by_name(self.job.family).build_network(
                parse_config(self.job.family, self.job.config)
            )

    def _add_heads(self) -> Any:
        """Return the network with the heads of deep supervision, if the settings ask for it."""
        if not self.job.settings.deep_supervision:
            return self.network
        maps = family_by_name(self.job.family).decoder_maps(self.network)[1:]
        if not maps:
            raise AttunetError(
                f"This network of family {self.job.family} has no coarser maps for deep_supervision; set it "
                "to 0, or choose a network with more levels."
            )
        with dtype_policy(self.precision):
            return add_coarse_heads(self.network, maps)

    def keep_best(self) -> None:
        """Remember the present average as that of the best validation."""
        self.best = _variable_arrays("best", self.average.weights)

    def checkpoint_arrays(self) -> NamedArrays:
        """Return every array of the checkpoint by its name, which begins with its group."""
        return self.best | {
            name: values
            for part, held in self._variable_groups().items()
            for name, values in _variable_arrays(part, held).items()
        }

    def restore_checkpoint(self, arrays: NamedArrays, standing: TrainingProgress) -> TrainingProgress:
        """Assign the arrays of a checkpoint and return its progress.

        Raises:
            AttunetError: an array is missing or has another shape.
        """
        try:
            for part, variables in self._variable_groups().items():
                for name, variable in _named_variables(part, variables):
                    variable.assign(arrays[name])
        except (KeyError, ValueError) as error:
            raise AttunetError(
                f"The checkpoint was written by another version ({error}); begin anew with --restart."
            ) from error
        self.best = {name: values for name, values in arrays.items() if name.startswith("best/")}
        return standing

    def _variable_groups(self) -> dict[str, Any]:
        """Return the groups of variables that a checkpoint holds, by name."""
        own = {id(variable) for variable in self.network.weights}
        heads = [variable for variable in self.learner.weights if id(variable) not in own]
        return {
            "network": self.network.weights,
            "average": self.average.weights,
            "optimiser": self.optimiser.variables,
        } | ({"heads": heads} if heads else {})

    def final_network(self, keep: str) -> Any:
        """Return the averaged network in float32; its best form if `keep` is "best" and there is one."""
        plain = self._build_network("float32")
        plain.set_weights(self.average.get_weights())
        if keep == "best" and self.best:
            for name, variable in _named_variables("best", plain.weights):
                variable.assign(self.best[name])
        return plain


def network_from_bundle(bundle: ModelBundle, *, folded: bool) -> Any:
    """Return the network of `bundle`.

    If `fold_calibration`, its last layer is changed so that the probability is 0.5 where the calibrated draft
    of the card is cut.
    """
    network, card = load_network(bundle), bundle.card
    if folded:
        edge = math.log(card.threshold / (1 - card.threshold))
        bundle.family.shift_logits(network, card.calibration.slope, card.calibration.offset - edge)
    return network


def _named_variables(part: str, variables: Any) -> Iterator[tuple[str, Any]]:
    """Yield each variable with its name in the checkpoint, "part/path"."""
    for variable in variables:
        yield f"{part}/{variable.path}", variable


def _variable_arrays(part: str, variables: Any) -> NamedArrays:
    """Return the values of `variables` by their name in the checkpoint."""
    return {name: np.asarray(variable.numpy()) for name, variable in _named_variables(part, variables)}


def _build_optimiser(settings: TrainingConfig) -> Any:
    """Return AdamW with a linear warm-up over 5 % of the steps and a cosine decay over the others."""
    rise = max(1, settings.steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 20,
        warmup_target=settings.learning_rate,
        warmup_steps=rise,
        decay_steps=max(1, settings.steps - rise),
    )
    optimiser = keras.optimizers.AdamW(
        rate,
        weight_decay=settings.weight_decay,
        global_clipnorm=1.0,
        # Keras numbers optimisers without a name within a process, but a checkpoint finds its variables by
        # name.
        name="adam_w",
    )
    # Weight decay shrinks kernels only; scales and offsets of the normalisations are not penalised.
    optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimiser


StepFunction = Callable[[TrainingBatch, int], float]
"""Learns from a batch, given with the number of its step; returns the loss."""


def _step_function(state: _TrainingState, view: CropSize | None, *, partial: bool) -> StepFunction:
    """Compile one training step.

    Args:
        state: network, average and optimiser, which the step changes.
        view: (rows, columns) of the part to learn from; None for whole slices.
        partial: whether truth may hold `IGNORED_LABEL`.
    """
    settings, window = state.job.settings, state.job.preprocessing.window_hu
    network, optimiser = network_for_crop(state.learner, view), state.optimiser
    variables = state.learner.trainable_variables
    loss = _loss_function(settings, partial=partial)
    averaged = tuple(zip(state.average.weights, state.network.weights, strict=True))
    first_averaged = int(settings.steps * (1 - settings.average_share)) if settings.average_share else None

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor, truth: tf.Tensor, centres: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([settings.seed, number])
        masks = _organ_and_ignored(truth) if partial else truth
        part = CropWindow(view, centres) if view else None
        varied, target = augment_batch(images, masks, seed, settings.augmentation, window, part)
        with tf.GradientTape() as tape:
            value = loss(target, network(varied, training=True))
        optimiser.apply(tape.gradient(value, variables), variables)
        done = tf.cast(number, tf.float32)
        # The momentum is small at first, or the average would keep remembering the random start.
        momentum = tf.minimum(settings.average, (1 + done) / (10 + done))
        if first_averaged is not None:
            late = done - first_averaged
            momentum = tf.where(late > 0, 1 - 1 / tf.maximum(late, 1), momentum)
        for slow, fast in averaged:
            slow.assign(slow.value + (1 - momentum) * (fast.value - slow.value))
        return value

    def learn(batch: TrainingBatch, number: int) -> float:
        given = (tf.constant(each) for each in (batch.images, batch.truth, batch.centres, number))
        return float(step(*given))

    return learn


def network_for_crop(network: Any, view: CropSize | None) -> Any:
    """Return `network` with the same layers, and so the same weights, for an input of the size `view`."""
    if view is None:
        return network
    image = keras.Input((*view, network.input.shape[-1]), name="image")
    return keras.models.clone_model(network, input_tensors=image, clone_function=lambda layer: layer)


def _loss_function(settings: TrainingConfig, *, partial: bool) -> Callable[[Any, Any], Any]:
    """Return the loss of targets and the outputs of the learner, a scalar.

    With `partial` the second half of the channels of the targets marks the pixels that are ignored.
    """
    plain = LOSSES[settings.loss]

    def masked(target: Any, found: Any) -> Any:
        slices = found.shape[-1]
        return masked_loss(plain, target[..., :slices], found, target[..., slices:] < 0.5)

    loss, share = masked if partial else plain, settings.deep_supervision

    def total(target: Any, outputs: Any) -> Any:
        value = tf.reduce_mean(loss(target, outputs[PROBABILITY]))
        return value + share * coarse_loss(loss, target, outputs) if share else value

    return total


def _organ_and_ignored(truth: tf.Tensor) -> tf.Tensor:
    """Split truth into (batch, rows, columns, 2 * slices) uint8: organ, then ignored pixels."""
    ignored = tf.cast(truth == IGNORED_LABEL, tf.float32)
    # A pixel wider: the slice is resampled by the augmentation, which mixes a pixel with its neighbours.
    wider = tf.cast(tf.nn.max_pool2d(ignored, 3, 1, "SAME"), tf.uint8)
    return tf.concat([tf.cast(truth == 1, tf.uint8), wider], axis=-1)


def inference_function(network: Any) -> InferFunction:
    """Return `network` as a function from (n, rows, columns, channels) uint8 to probability (n, rows,
    columns); that of a 3-D network is (n, slices, rows, columns).
    """
    answers_for_one = network.output[PROBABILITY].shape[-1] == 1
    compiled = tf.function(
        lambda images: network(tf.cast(images, tf.float32) / 255.0, training=False)[PROBABILITY],
        autograph=False,
    )

    def infer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = np.asarray(compiled(tf.constant(images)), np.float32)
        return found[..., 0] if answers_for_one else np.moveaxis(found, -1, 1)

    return infer


class _TrainingLoop:
    """The loop of a run: steps, validations, checkpoints and log."""

    def __init__(
        self,
        job: TrainingJob,
        data: TrainingData,
        state: _TrainingState,
        log: TrainingLog,
        keep: RunFolder | None,
    ) -> None:
        self._job, self._data, self._state, self._log, self._keep = job, data, state, log, keep
        self._neighbours = job.preprocessing.neighbours
        views = {job.crop_size_at(1), job.crop_size_at(job.settings.steps)}
        # Both sizes of the input are needed in one run: parts of slices first, whole ones in the last steps.
        self._learn = {view: _step_function(state, view, partial=data.is_partial) for view in views}
        self._infer = inference_function(state.average)

    def run_to_end(self, standing: TrainingProgress, progress: ProgressCallback) -> TrainingProgress:
        """Do the steps that are left after `standing` and return the progress at the end."""
        settings = self._job.settings
        if standing.ended:
            return standing
        sampler = _batch_sampler(self._job, self._data)
        progress(standing.step, settings.steps, f"training, in {self._state.precision}")
        numbers = range(standing.step + 1, settings.steps + 1)
        drawn = partial(_draw_batch, sampler, self._job)
        with prefetch_items(drawn, numbers) as batches:
            return self._run_steps(standing, batches, progress)

    def _run_steps(
        self, start: TrainingProgress, batches: PrefetchQueue[TrainingBatch], progress: ProgressCallback
    ) -> TrainingProgress:
        """Take batches until the run ends; save a checkpoint at the end, now and then, and on
        `WorkCancelled`.
        """
        settings, text = self._job.settings, _ProgressText(self._job.settings.steps, start)
        standing, saved = start, perf_counter()
        clock = _RunStopwatch(start, batches)
        while not standing.ended:
            loss = self._take_step(standing.step + 1, batches.take_next())
            standing = clock.add_times(replace(standing, step=standing.step + 1))
            found = self._validate_if_due(standing)
            standing = self._update_best(standing, found)
            self._log.add_step(standing, loss, self._learning_rate(), found)
            if standing.ended or perf_counter() - saved > settings.checkpoint_seconds:
                self._save_checkpoint(standing)
                saved = perf_counter()
            try:
                progress(standing.step, settings.steps, text.stage_text(standing, loss, found))
            except WorkCancelled:
                self._save_checkpoint(standing)
                raise
        return standing

    def _take_step(self, number: int, batch: TrainingBatch) -> float:
        """Learn from `batch` and return the loss; `AttunetError` if it is not finite."""
        loss = self._learn[self._job.crop_size_at(number)](batch, number)
        if not math.isfinite(loss):
            raise AttunetError(f"The loss of step {number} is no number; try a lower learning_rate.")
        return loss

    def _learning_rate(self) -> float:
        return float(self._state.optimiser.learning_rate)

    def _validate_if_due(self, standing: TrainingProgress) -> ValidationScores | None:
        """Return the scores of the held-out cases if a validation is due at this step."""
        settings = self._job.settings
        due = standing.step % settings.validate_every == 0 or standing.step == settings.steps
        if not (due and self._data.held_out):
            return None
        return validate_cases(
            self._data.held_out, self._neighbours, self._job.threshold, self._infer, self._job.layout
        )

    def _update_best(self, standing: TrainingProgress, found: ValidationScores | None) -> TrainingProgress:
        """Return `standing` with the scores `found`, and with `ended` set if the run is complete or has no
        patience left.
        """
        settings = self._job.settings
        standing = replace(standing, last_score=found.slices) if found else standing
        if found and found.slices > standing.best_score:
            self._state.keep_best()
            standing = replace(standing, best_step=standing.step, best_score=found.slices, since_best=0)
        elif found:
            standing = replace(standing, since_best=standing.since_best + 1)
        tired = settings.patience > 0 and standing.since_best >= settings.patience
        return replace(standing, ended=tired or standing.step >= settings.steps)

    def _save_checkpoint(self, standing: TrainingProgress) -> None:
        """Write a checkpoint, if the run keeps any."""
        if self._keep and standing.step:
            path = self._keep.folder / CHECKPOINT_FILE
            write_checkpoint(path, self._state.checkpoint_arrays(), standing, self._keep.fingerprint)


def _draw_batch(sampler: BatchSampler, job: TrainingJob, number: int) -> TrainingBatch:
    return sampler.draw_batch(number, job.settings.batch, job.crop_size_at(number))


class _RunStopwatch:
    """Adds the seconds of this process to those of the run before it was resumed."""

    def __init__(self, start: TrainingProgress, batches: PrefetchQueue[TrainingBatch]) -> None:
        self._start, self._batches, self._began = start, batches, perf_counter()

    def add_times(self, standing: TrainingProgress) -> TrainingProgress:
        """Return `standing` with the seconds spent so far, and those of them spent waiting."""
        seconds = self._start.seconds + perf_counter() - self._began
        return replace(standing, seconds=seconds, waited=self._start.waited + self._batches.waited)


class _ProgressText:
    """Makes the stage text of each step: loss, DSC, minutes left and share of waiting."""

    def __init__(self, steps: int, start: TrainingProgress) -> None:
        self._steps, self._start = steps, start
        self._recent: deque[float] = deque(maxlen=_LOSS_WINDOW)
        self._score = f", best DSC {start.best_score:.3f}" if start.best_step else ""

    def stage_text(self, standing: TrainingProgress, loss: float, found: ValidationScores | None) -> str:
        """Return the text after a step with this loss, and with scores if it was validated."""
        self._recent.append(loss)
        if found:
            self._score = f", DSC {found.slices:.3f} at {standing.step}, best {standing.best_score:.3f}"
        # Of this process only: the run may have been started on another machine.
        pace = (standing.seconds - self._start.seconds) / (standing.step - self._start.step)
        left = pace * (self._steps - standing.step) / 60
        waiting = 100 * standing.waited / max(standing.seconds, 1e-9)
        return (
            f"training, loss {np.mean(self._recent):.3f}{self._score}, {left:.0f} min left, "
            f"{waiting:.0f} % waiting"
        )
