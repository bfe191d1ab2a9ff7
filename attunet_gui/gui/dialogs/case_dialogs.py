"""Dialogs of a case.

A question is asked only where something could be lost, with the safe answer as default.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from pathlib import Path
from typing import Literal

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from attunet_gui.editing.edit_session import PendingJournal
from attunet_gui.gui.keyboard_shortcuts import shortcuts_html
from attunet_gui.io.image_format_registry import dialog_suffixes
from attunet_gui.prediction.model_card import ModelCard
from attunet_gui.system.plurals import counted

Unsaved = Literal["save", "keep", "discard"]
Rerun = Literal["beside", "replace", "stop"]
Recovery = Literal["bring back", "later"]

_Role = QMessageBox.ButtonRole
_MASKS = "NIfTI (*.nii.gz *.nii)"


def ask_unsaved(parent: QWidget, case: str, doing: str) -> Unsaved:
    """Ask what to do with unsaved corrections.

    Args:
        parent: window above which the dialog stands.
        case: name of the case.
        doing: what is about to happen ("open another CT").

    Returns:
        "save", "keep" (go on editing, also by Esc) or "discard".
    """
    box = _make_question_box(parent, "Unsaved corrections")
    box.setText(f"The mask of {case} has corrections that are not saved.")
    box.setInformativeText(f"Save them before you {doing}?")
    save = box.addButton("Save", _Role.AcceptRole)
    keep = box.addButton("Keep editing", _Role.RejectRole)
    discard = box.addButton("Discard corrections", _Role.DestructiveRole)
    box.setDefaultButton(save)
    box.setEscapeButton(keep)
    box.exec()
    answers: dict[object, Unsaved] = {save: "save", discard: "discard"}
    return answers.get(box.clickedButton(), "keep")


def ask_rerun(parent: QWidget) -> Rerun:
    """Ask where a new draft goes if there are unsaved corrections; Esc means no draft."""
    box = _make_question_box(parent, "Draft again")
    box.setText("You have corrected this mask. Where should the new draft go?")
    box.setInformativeText("If it replaces the mask, one undo (Ctrl+Z) brings your corrections back.")
    beside = box.addButton("Beside my mask", _Role.AcceptRole)
    stop = box.addButton("Do not draft", _Role.RejectRole)
    replace = box.addButton("Replace my mask", _Role.DestructiveRole)
    box.setDefaultButton(beside)
    box.setEscapeButton(stop)
    box.exec()
    answers: dict[object, Rerun] = {beside: "beside", replace: "replace"}
    return answers.get(box.clickedButton(), "stop")


def ask_take_draft_back(parent: QWidget, words: str, verified: int) -> bool:
    """Ask whether an undo may remove a whole draft; Esc keeps it.

    Args:
        parent: window above which the dialog stands.
        words: what the draft changed, as the undo stack names it.
        verified: number of verified slices that would change.
    """
    box = _make_question_box(parent, "Undo the draft")
    box.setText(f"The next undo takes back the whole draft, not a stroke ({words}).")
    lost = f" {counted(verified, 'verified slice')} would be verified no more." if verified else ""
    box.setInformativeText(
        f"The mask becomes what it was before the draft.{lost} Redo brings the draft back."
    )
    keep = box.addButton("Keep the draft", _Role.RejectRole)
    take = box.addButton("Take the draft back", _Role.DestructiveRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.exec()
    return box.clickedButton() is take


def ask_recovery(parent: QWidget, left: PendingJournal) -> Recovery:
    """Ask whether the unsaved work `left` is to be brought back; "later" asks again another time."""
    box = _make_question_box(parent, "Unsaved corrections were kept")
    strokes = counted(left.strokes, "stroke")
    when = datetime.fromtimestamp(left.when).astimezone()
    box.setText(f"{left.identity.name} was left with {strokes} that are in no file.")
    box.setInformativeText(
        f"The last one was made on {when:%d %B at %H:%M} by {left.user or 'somebody'}. "
        "Bring the case back as it was? Later asks again."
    )
    back = box.addButton("Bring it back", _Role.AcceptRole)
    later = box.addButton("Later", _Role.RejectRole)
    box.setDefaultButton(back)
    box.setEscapeButton(later)
    box.exec()
    return "bring back" if box.clickedButton() is back else "later"


def ask_yes(parent: QWidget, title: str, text: str, more: str, yes: str) -> bool:
    """Ask a question in which nothing is lost either way, and return whether `yes` was pressed."""
    box = _make_question_box(parent, title)
    box.setText(text)
    box.setInformativeText(more)
    accept = box.addButton(yes, _Role.AcceptRole)
    leave = box.addButton("Cancel", _Role.RejectRole)
    box.setDefaultButton(accept)
    box.setEscapeButton(leave)
    box.exec()
    return box.clickedButton() is accept


def _make_question_box(parent: QWidget, title: str) -> QMessageBox:
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    return box


def choose_series(parent: QWidget, choices: tuple[tuple[str, str], ...]) -> str | None:
    """Return the key of the DICOM series that was chosen of `choices` (key, description); None for none."""
    # Numbered, since two series may have the same description.
    words = [f"{number}. {text}" for number, (_key, text) in enumerate(choices, start=1)]
    chosen, accepted = QInputDialog.getItem(
        parent,
        "Several series",
        "There are several CT series, or scans in one. Open:",
        words,
        0,
        False,
    )
    return choices[words.index(chosen)][0] if accepted else None


def choose_file(parent: QWidget, start: Path) -> Path | None:
    """Return the CT file that was chosen; None if the dialog was cancelled."""
    name, _ = QFileDialog.getOpenFileName(parent, "Open a CT", str(start), ct_file_filter())
    return Path(name) if name else None


def ct_file_filter() -> str:
    """Return the filter of the file dialog. DICOM and other files without a suffix need "All files"."""
    return f"CT ({' '.join(f'*{suffix}' for suffix in dialog_suffixes())});;All files (*)"


def choose_folder(parent: QWidget, title: str, start: Path) -> Path | None:
    """Return the folder that was chosen; None if the dialog was cancelled."""
    name = QFileDialog.getExistingDirectory(parent, title, str(start))
    return Path(name) if name else None


def choose_target(parent: QWidget, suggestion: Path) -> Path | None:
    """Return the path to save a mask to; None if the dialog was cancelled.

    The file dialog itself asks before it replaces a file.
    """
    name, _ = QFileDialog.getSaveFileName(parent, "Save the mask", str(suggestion), _MASKS)
    if not name:
        return None
    if name.lower().endswith((".nii", ".nii.gz")):
        return Path(name)
    # A mask is written as NIfTI, whatever ending was typed.
    complete = Path(f"{name}.nii.gz")
    # The dialog asked about the name without its ending; another file may have that name with it.
    return choose_target(parent, complete) if complete.exists() else complete


def show_shortcuts(parent: QWidget) -> QDialog:
    """Show all keyboard shortcuts in a dialog that stays open beside the work."""
    return show_text_dialog(parent, "Keyboard shortcuts", shortcuts_html())


def show_model_card(parent: QWidget, card: ModelCard) -> QDialog:
    """Show the card of a model in a dialog that stays open beside the work."""
    return show_text_dialog(parent, card.title, model_card_html(card))


def model_card_html(card: ModelCard) -> str:
    """Return the card of a model as HTML. Its texts are escaped, since a bundle may come from anybody."""
    results = "".join(
        f"<li>{escape(r.measure)} {r.value:.3f}{'' if r.spread is None else f' ± {r.spread:.3f}'} on "
        f"{escape(r.data)} ({counted(r.cases, 'case')})</li>"
        for r in card.results
    )
    data = "".join(
        f"<li>{escape(d.name)}: {counted(d.cases, 'case')}, {escape(d.licence)}. {escape(d.attribution)}</li>"
        for d in card.training.data
    )
    return (
        f"<h3>{escape(card.title)}</h3><p>{escape(card.description)}</p>"
        f"<p><b>For</b> {escape(card.intended_use)}</p><p><b>Limits</b> {escape(card.limits)}</p>"
        f"<p><b>Measured</b></p><ul>{results or '<li>nothing yet</li>'}</ul>"
        f"<p><b>Trained on</b></p><ul>{data}</ul>"
        f"<p><b>Name</b> {card.name}<br><b>Weights</b> sha256 {card.weights_sha256[:16]}…<br>"
        f"<b>Licence</b> {escape(card.licence)}</p><p><b>{escape(card.warning)}</b></p>"
    )


def show_text_dialog(parent: QWidget, title: str, html: str) -> QDialog:
    """Show `html` in a dialog that stays open beside the work, and return the dialog."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    text = QTextBrowser(dialog)
    text.setHtml(html)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, dialog)
    buttons.rejected.connect(dialog.close)
    layout = QVBoxLayout(dialog)
    layout.addWidget(text)
    layout.addWidget(buttons)
    dialog.resize(520, 620)
    dialog.show()
    return dialog
