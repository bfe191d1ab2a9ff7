"""The dialog for fine-tuning: choices, progress and results. It shows a view and emits signals."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from attunet_gui.app.model_finetuning import FinetuningOptions
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.finetuning.finetuning_view_state import FinetuningView
from attunet_gui.gui.finetuning.learning_curve import LearningCurve, LearningCurveWidget
from attunet_gui.gui.finetuning.model_comparison_table import ModelComparisonTable
from attunet_gui.gui.panels.widget_factory import make_button, make_row_layout, make_wrapped_label
from attunet_gui.gui.qt_helpers import Signal
from attunet_gui.gui.wheel_guard import guard_wheel
from attunet_gui.training.finetuning.finetune_config import FinetuneBudget

_WIDTH = 620
"""Width of the dialog in pixels."""
_MOST_MINUTES = 600


class FolderField(QWidget):
    """A field for a folder, or for several with the separator of the system's PATH between them.

    Signals:
        changed: another text was entered or chosen.
    """

    changed = Signal()

    def __init__(self, title: str, placeholder: str, tip: str, *, several: bool = False) -> None:
        super().__init__()
        self._title, self._several = title, several
        self.text = QLineEdit()
        self.text.setPlaceholderText(placeholder)
        self.text.setToolTip(tip)
        self.text.editingFinished.connect(self.changed)
        layout = make_row_layout(self.text, make_button("Choose…", tip, self.choose_folder), stretch=0)
        self.setLayout(layout)

    @property
    def folder_paths(self) -> tuple[Path, ...]:
        """The folders that are entered."""
        text = self.text.text()
        parts = text.split(os.pathsep) if self._several else [text]
        return tuple(Path(part.strip()) for part in parts if part.strip())

    def show_folders(self, folders: tuple[Path, ...]) -> None:
        """Show `folder_paths`, without emitting a signal."""
        self.text.setText(os.pathsep.join(map(str, folders)))

    def choose_folder(self) -> None:
        """Ask for a folder; where several are allowed it is added to those that are entered."""
        known = self.folder_paths
        start = known[-1].parent if known else Path.home()
        folder = case_dialogs.choose_folder(self, self._title, start)
        if folder is not None:
            self.show_folders((*known, folder) if self._several else (folder,))
            self.changed.emit()


class FinetuningForm(QWidget):
    """The form with the choices for a run of fine-tuning.

    Signals:
        changed(FinetuningOptions): something else is chosen.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._options = FinetuningOptions()
        self.source = QComboBox()
        self.source.addItem("The accepted cases of the project", False)
        self.source.addItem("A data set in a folder", True)
        self.source.setToolTip("What the model learns from")
        self.dataset = FolderField(
            "Learn from", "folder of the data set", "nnU-Net, MSD, or images/ and labels/; any of our exports"
        )
        self.minutes = QSpinBox()
        self.minutes.setRange(1, _MOST_MINUTES)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("How long to learn; reading and comparing come on top")
        self.validation = FolderField(
            "Judge by",
            "a fifth of the people, always the same",
            "Folder of a data set that judges and never teaches; empty: some of those above do",
        )
        self.replay = FolderField(
            "Also remember",
            "phantoms alone",
            "Folders of earlier data that are learnt again, so that they are not forgotten; empty: none",
            several=True,
        )
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Learn from", self.source)
        layout.addRow("", self.dataset)
        layout.addRow("For about", self.minutes)
        layout.addRow("Judged by", self.validation)
        layout.addRow("Also remember", self.replay)
        self._layout = layout
        self.source.activated.connect(self._source_chosen)
        self.minutes.valueChanged.connect(lambda _minutes: self._emit_options())
        for line in (self.dataset, self.validation, self.replay):
            line.changed.connect(self._emit_options)
        self.show_options(self._options)

    @property
    def chosen_options(self) -> FinetuningOptions:
        """What is chosen. An effort that was given in steps is kept unless the minutes are changed."""
        dataset, validation = self.dataset.folder_paths, self.validation.folder_paths
        effort = self._options.effort
        # The field shows whole minutes; the exact value is kept until the field is changed.
        if effort.minutes is None or round(effort.minutes) != self.minutes.value():
            effort = FinetuneBudget(minutes=float(self.minutes.value()))
        return replace(
            self._options,
            dataset=dataset[0] if self.source.currentData() and dataset else None,
            validation=validation[0] if validation else None,
            effort=effort,
            replay=replace(self._options.replay, folders=self.replay.folder_paths),
        )

    def show_options(self, options: FinetuningOptions) -> None:
        """Show `chosen_options`, without emitting a signal."""
        self._options = options
        with signals_blocked(self.minutes):
            self.minutes.setValue(max(1, round(options.effort.minutes or 1)))
        self.source.setCurrentIndex(int(options.dataset is not None))
        self.dataset.show_folders(() if options.dataset is None else (options.dataset,))
        self.validation.show_folders(() if options.validation is None else (options.validation,))
        self.replay.show_folders(options.replay.folders)
        self._show_dataset()

    def _source_chosen(self) -> None:
        if self.source.currentData() and not self.dataset.folder_paths:
            self.dataset.choose_folder()
        # The choice of a folder was cancelled.
        if not self.dataset.folder_paths:
            self.source.setCurrentIndex(0)
        self._show_dataset()
        self._emit_options()

    def _show_dataset(self) -> None:
        self._layout.setRowVisible(self.dataset, bool(self.source.currentData()))

    def _emit_options(self) -> None:
        self.changed.emit(self.chosen_options)


class FinetuningDialog(QDialog):
    """Stays open beside the work.

    Signals:
        options_changed(FinetuningOptions): something else is chosen in the form.
        learn_asked, stop_asked, compare_asked, adopt_asked, back_asked: the button was pressed.
        case_asked(name): a case of the table of accepted cases was activated.
    """

    options_changed = Signal(object)
    learn_asked = Signal()
    stop_asked = Signal()
    compare_asked = Signal()
    adopt_asked = Signal()
    back_asked = Signal()
    case_asked = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Improve the model")
        self.shown_view: FinetuningView | None = None
        self.intro, self.verdict, self.about_differences = (
            make_wrapped_label(),
            make_wrapped_label(strong=True),
            make_wrapped_label(),
        )
        self.form, self.curve = FinetuningForm(), LearningCurveWidget()
        self.form.changed.connect(self.options_changed)
        self.doing, self.bar = make_wrapped_label(), QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self._make_buttons()
        self._make_tables()
        self._build_layout()
        self.resize(_WIDTH, self.sizeHint().height())

    def _make_buttons(self) -> None:
        self.learn = self._make_button("Learn", "Learn from these cases", self.learn_asked.emit)
        self.stop = self._make_button("Stop", "Stop it; what is learnt is kept", self.stop_asked.emit)
        self.compare = self._make_button(
            "Compare on accepted cases", "Have both models draft them", self.compare_asked.emit
        )
        self.adopt = self._make_button("Adopt the new model", "", self.adopt_asked.emit)
        self.back = self._make_button("", "Draft with the model before again", self.back_asked.emit)
        self.leave = self._make_button("Close", "Close this; learning goes on", self.close)

    def _make_button(self, text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
        made = make_button(text, tip, clicked)
        # Enter in a field must not press a button.
        made.setAutoDefault(False)
        return made

    def _make_tables(self) -> None:
        self.judges = ModelComparisonTable("Who judges", roles=False)
        self.differences = ModelComparisonTable("Accepted case", roles=True)
        self.differences.case_asked.connect(self.case_asked)
        accepted = QWidget()
        layout = QVBoxLayout(accepted)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.about_differences)
        layout.addWidget(self.differences, 1)
        layout.addLayout(make_row_layout(self.compare))
        self.results = QTabWidget()
        self.results.addTab(self.judges, "Cases that judge")
        self.results.addTab(accepted, "Accepted cases")

    def _build_layout(self) -> None:
        layout = self._column = QVBoxLayout(self)
        for widget in (self.intro, self.form, self.curve, self.doing, self.bar, self.verdict):
            layout.addWidget(widget)
        layout.addWidget(self.results, 1)
        # Takes the free width between the buttons of the run and Close.
        room = QWidget()
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        layout.addLayout(
            make_row_layout(self.learn, self.stop, self.adopt, self.back, room, self.leave, stretch=4)
        )
        guard_wheel(self)

    def show_options(self, options: FinetuningOptions) -> None:
        """Show what is chosen."""
        self.form.show_options(options)

    def show_curve(self, curve: LearningCurve, steps: int) -> None:
        """Show the learning curve of a run of `steps` steps."""
        self.curve.show_curve(curve, steps)

    def show_view(self, view: FinetuningView) -> None:
        """Apply `shown_view`; nothing is drawn if it equals the last one."""
        if view == self.shown_view:
            return
        before, self.shown_view = self.shown_view, view
        self.intro.setText(view.intro)
        self.intro.setVisible(bool(view.intro))
        self.form.setVisible(view.form_shown)
        self.form.setEnabled(view.form_enabled)
        self._show_progress(view)
        self._show_buttons(view)
        self._show_results(view)
        if before is None or _visible_parts(before) != _visible_parts(view):
            self._fit_height()

    def _show_progress(self, view: FinetuningView) -> None:
        self.curve.setVisible(view.curve_shown)
        self.doing.setVisible(view.bar is not None)
        self.bar.setVisible(view.bar is not None)
        if view.bar is not None:
            self.doing.setText(view.bar.text)
            self.bar.setMaximum(view.bar.total)
            self.bar.setValue(view.bar.done)

    def _show_buttons(self, view: FinetuningView) -> None:
        self.learn.setVisible(not view.stop_shown)
        self.learn.setText(view.learn_text)
        self.learn.setEnabled(view.learn_enabled)
        self.stop.setVisible(view.stop_shown)
        self.stop.setEnabled(view.stop_enabled)
        self.adopt.setVisible(view.adopt_shown)
        self.adopt.setEnabled(view.adopt_enabled)
        self.adopt.setToolTip(view.adopt_tip)
        self.back.setVisible(bool(view.back))
        self.back.setText(view.back)

    def _show_results(self, view: FinetuningView) -> None:
        """Show the verdict and the two tables."""
        self.verdict.setVisible(bool(view.verdict))
        self.verdict.setText(view.verdict)
        self.results.setVisible(bool(view.judges))
        self.judges.show_rows(view.judges)
        self.results.setTabVisible(1, bool(view.differences_words))
        self.about_differences.setText(view.differences_words)
        self.differences.show_rows(view.differences)
        self.compare.setVisible(view.compare_shown)

    def _fit_height(self) -> None:
        """Set the height for what is visible now: larger for results, smaller without them."""
        self._column.activate()
        width = max(_WIDTH, self.width())
        self.resize(width, max(self.heightForWidth(width), self.minimumSizeHint().height()))


def _visible_parts(view: FinetuningView) -> tuple[bool, ...]:
    """Return which parts are visible. The height follows only these: it must not change at every step."""
    return (view.form_shown, view.curve_shown, view.bar is not None, bool(view.verdict))
