"""Dialogs of the worklist: projects, acceptance, export, checks and second reads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from attunet_gui.app.dataset_exporting import ExportRequest
from attunet_gui.export import EXPORT_FORMATS, export_format_named
from attunet_gui.gui.dialogs import case_dialogs
from attunet_gui.gui.panels.widget_factory import make_button, make_row_layout, make_wrapped_label
from attunet_gui.gui.wheel_guard import guard_wheel
from attunet_gui.gui.worklist.case_formatting import history_table_rows
from attunet_gui.project.case_rows import HistoryLine
from attunet_gui.project.case_state import CaseStatus
from attunet_gui.project.project_events import ProjectSettings
from attunet_gui.project.project_store import Project

_WIDTH = 460
_STATUS: tuple[tuple[str, frozenset[CaseStatus]], ...] = (
    ("Accepted cases", frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ})),
    (
        "Accepted and reviewed cases",
        frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ, CaseStatus.REVIEWED}),
    ),
    (
        "Every case with a saved mask",
        frozenset({CaseStatus.ACCEPTED, CaseStatus.SECOND_READ, CaseStatus.REVIEWED, CaseStatus.IN_PROGRESS}),
    ),
)
"""Title of a choice, and the statuses that it exports."""
_IDENTIFIERS = (
    "Off, no name, number, date of birth, UID or path of a patient leaves the project. On, file names and "
    "UIDs of the source go along."
)
_SECOND_READS = 0.1
"""Share of accepted cases that is suggested for second reads."""
_BLIND = (
    "A share of the accepted cases is drawn again, to know how well people agree. The second reader sees no "
    "draft and nothing of the first; attunet worklist agreement compares them."
)
_CHECKS = (
    "To learn how often wrong drafts are accepted, some cases can be shown without their draft, and some "
    "with a known error in it. Nobody is told which, while they work; who leaves an error in is told when "
    "they finish the case, and does it again, so that no such mask becomes accepted. Annotators should know "
    "that this goes on. 0 % ends it."
)


def choose_project(parent: QWidget, start: Path) -> Path | None:
    """Return the folder of a project, or one to make a project in; None if the dialog was cancelled."""
    return case_dialogs.choose_folder(parent, "Open a project, or a folder to make one in", start)


def ask_make(parent: QWidget, folder: Path) -> bool:
    """Ask whether a project is to be made in `folder`, which holds none."""
    return case_dialogs.ask_yes(
        parent,
        "No project yet",
        f"There is no project in {folder.name}. Make one?",
        "A list, drafts and masks go into this folder. CT stay where they are.",
        "Make a project",
    )


def ask_accept(parent: QWidget, name: str, left: str, unseen: str) -> bool:
    """Ask whether a case is to be accepted although something of it was not looked at.

    Args:
        parent: window above which the dialog stands.
        name: of the case.
        left: what is left to look at, as a sentence.
        unseen: how much of the CT was on screen, as a sentence.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Accept the case")
    box.setText(f"{name} is not reviewed. {left}")
    box.setInformativeText(
        f"{unseen} Accepting says that the mask is right as it is. Slices that you did not look at stay "
        "unverified, and nothing learns from them."
    )
    look = box.addButton("Go on looking", QMessageBox.ButtonRole.RejectRole)
    accept = box.addButton("Accept all the same", QMessageBox.ButtonRole.DestructiveRole)
    # Enter and Esc must not accept what nobody looked at.
    box.setDefaultButton(look)
    box.setEscapeButton(look)
    box.exec()
    return box.clickedButton() is accept


def ask_text(parent: QWidget, title: str, label: str, text: str = "") -> str | None:
    """Ask for a line of text; None if the dialog was cancelled."""
    said, given = QInputDialog.getText(parent, title, label, QLineEdit.EchoMode.Normal, text)
    return said.strip() if given else None


def show_history(parent: QWidget, name: str, lines: Sequence[HistoryLine]) -> QDialog:
    """Show what happened to a case, newest first, in a dialog that stays open beside the work."""
    told = "".join(
        f"<tr><td>{when}&nbsp;&nbsp;</td><td>{escape(who)}&nbsp;&nbsp;</td><td>{escape(what)}</td></tr>"
        for when, who, what in history_table_rows(lines)
    )
    return case_dialogs.show_text_dialog(
        parent, f"History of {name}", f"<table cellpadding='3'>{told}</table>"
    )


class ExportDialog(QDialog):
    """Asks for format, cases and folder of an export."""

    def __init__(self, parent: QWidget, start: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.format, self.status = QComboBox(), QComboBox()
        for form in EXPORT_FORMATS:
            self.format.addItem(form.title, form.name)
        for title, status in _STATUS:
            self.status.addItem(title, status)
        self.folder = QLineEdit(str(start))
        self.folder.setToolTip("A new folder, or one with an earlier export, which is brought up to date")
        choose = make_button("Choose…", "Choose the folder", self._choose_folder)
        self.keep = QCheckBox("Keep names and UIDs of the source")
        self.keep.setToolTip(_IDENTIFIERS)
        form_layout = QFormLayout()
        form_layout.addRow("Format", self.format)
        form_layout.addRow("Cases", self.status)
        form_layout.addRow("Folder", make_row_layout(self.folder, choose, stretch=0))
        form_layout.addRow("", self.keep)
        layout = QVBoxLayout(self)
        layout.addLayout(form_layout)
        layout.addWidget(
            make_wrapped_label(f"{_IDENTIFIERS} Slices that nobody looked at are marked as such.")
        )
        layout.addWidget(_make_dialog_buttons(self, "Export"))
        guard_wheel(self)
        self.resize(_WIDTH, self.sizeHint().height())

    def _choose_folder(self) -> None:
        folder = case_dialogs.choose_folder(self, "Export to", Path(self.folder.text()).parent)
        if folder is not None:
            self.folder.setText(str(folder))

    def make_request(self, project: Project) -> ExportRequest:
        """Return what was chosen, for the cases of `project`."""
        return ExportRequest(
            project,
            folder=Path(self.folder.text()),
            format=export_format_named(self.format.currentData()),
            status=self.status.currentData(),
            keep_identifiers=self.keep.isChecked(),
        )


def ask_export(parent: QWidget, project: Project, start: Path) -> ExportRequest | None:
    """Return what of `project` is to be exported; None if the dialog was cancelled or no folder is given."""
    dialog = ExportDialog(parent, start)
    return dialog.make_request(project) if dialog.exec() and dialog.folder.text().strip() else None


class AnnotatorChecksDialog(QDialog):
    """Asks for the share of cases that measure the annotators, and explains what that means."""

    def __init__(self, parent: QWidget, settings: ProjectSettings) -> None:
        super().__init__(parent)
        self.setWindowTitle("Measure how often wrong drafts are accepted")
        self._settings = settings
        self.without, self.errors = (
            _make_percent_box(settings.without_draft),
            _make_percent_box(settings.seeded_errors),
        )
        form_layout = QFormLayout()
        form_layout.addRow("Cases shown without a draft", self.without)
        form_layout.addRow("Drafts shown with a known error", self.errors)
        layout = QVBoxLayout(self)
        layout.addWidget(make_wrapped_label(_CHECKS))
        layout.addLayout(form_layout)
        layout.addWidget(_make_dialog_buttons(self, "Use from now on"))
        guard_wheel(self)
        self.resize(_WIDTH, self.sizeHint().height())

    @property
    def chosen_settings(self) -> ProjectSettings:
        """The settings of the project with the shares that were chosen."""
        shares = {"without_draft": self.without.value() / 100, "seeded_errors": self.errors.value() / 100}
        return self._settings.model_copy(update=shares)


class SecondReadsDialog(QDialog):
    """Asks how many accepted cases are to be drawn again, and by whom."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Second reads")
        self.share, self.reader = _make_percent_box(_SECOND_READS), QLineEdit()
        self.reader.setPlaceholderText("anybody but the first annotator")
        form_layout = QFormLayout()
        form_layout.addRow("Of the accepted cases", self.share)
        form_layout.addRow("By", self.reader)
        layout = QVBoxLayout(self)
        layout.addWidget(make_wrapped_label(_BLIND))
        layout.addLayout(form_layout)
        layout.addWidget(_make_dialog_buttons(self, "Ask for them"))
        guard_wheel(self)
        self.resize(_WIDTH, self.sizeHint().height())


def ask_second_reads(parent: QWidget) -> tuple[float, str] | None:
    """Ask for second reads.

    Returns:
        share of the accepted cases, 0 to 1, and the name of the reader, "" for anybody but the first
        annotator; None if the dialog was cancelled.
    """
    dialog = SecondReadsDialog(parent)
    return (dialog.share.value() / 100, dialog.reader.text().strip()) if dialog.exec() else None


def ask_checks(parent: QWidget, settings: ProjectSettings) -> ProjectSettings | None:
    """Return the new settings of the project; None if the dialog was cancelled."""
    dialog = AnnotatorChecksDialog(parent, settings)
    return dialog.chosen_settings if dialog.exec() else None


def _make_percent_box(share: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, 100)
    box.setDecimals(0)
    box.setSuffix(" %")
    box.setValue(100 * share)
    return box


def _make_dialog_buttons(dialog: QDialog, accept: str) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, dialog)
    yes = QPushButton(accept)
    yes.setDefault(True)
    buttons.addButton(yes, QDialogButtonBox.ButtonRole.AcceptRole)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons
