"""What the program must know of an image format that it reads; every format is one value of `ImageFormat`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from attunet_gui.core.volume import Volume
from attunet_gui.core.voxel_grid import VoxelGrid
from attunet_gui.system.errors import UnreadableInput
from attunet_gui.system.progress import ProgressCallback

StoredLabels = tuple[NDArray[Any], VoxelGrid]
"""The values of a label file as (i, j, k), and the grid on which they lie."""


def _only_file(path: Path) -> tuple[Path, ...]:
    return (path,)


@dataclass(frozen=True)
class ImageFormat:
    """An image format that is read. Its functions get an existing path that the format `accepts`.

    Attributes:
        title: name of the format in documents.
        kind: name of the format for the user, as in `VolumeOrigin.kind`.
        suffixes: suffixes of file names in lower case; () if the content alone decides.
        read_ct: (path, series, progress) -> volume; it raises `UnreadableInput`.
        recognises: decides from the content whether a path whose suffix fits is of this format. It reads a
            few bytes at most, and may raise `OSError`.
        load_labels: reads the values of a label file; it raises `UnreadableInput`. None if files of this
            format hold no labels.
        iter_values: yields the values in the order of the file, as (n,) arrays of about a megabyte; it raises
            `UnreadableInput` or `OSError`. None if whatever is stored in this format counts as CT.
        files: returns all files of an image, the one of the header first. It raises `UnreadableInput` if the
            header is damaged or a file is missing, and may raise `OSError`.
        voxel_suffixes: those of `suffixes` whose files hold voxels without a header.
        has_series: whether an image may be a series of files, of which a folder may hold several.
        usual_suffixes: where the content decides, the suffixes that such files often have.
    """

    title: str
    kind: str
    suffixes: tuple[str, ...]
    read_ct: Callable[[Path, str | None, ProgressCallback], Volume]
    recognises: Callable[[Path], bool] = Path.is_file
    load_labels: Callable[[Path], StoredLabels] | None = None
    iter_values: Callable[[Path], Iterator[NDArray[Any]]] | None = None
    files: Callable[[Path], tuple[Path, ...]] = _only_file
    voxel_suffixes: tuple[str, ...] = ()
    has_series: bool = False
    usual_suffixes: tuple[str, ...] = ()

    @property
    def main_suffixes(self) -> tuple[str, ...]:
        """Suffixes of the files that stand for an image: of header and voxels, that of the header."""
        return tuple(suffix for suffix in self.suffixes if suffix not in self.voxel_suffixes)

    @property
    def dialog_suffixes(self) -> tuple[str, ...]:
        """Suffixes by which a file dialog, or another program, offers files of this format."""
        return self.suffixes + self.usual_suffixes

    def has_suffix(self, path: Path) -> bool:
        """Whether the name of `path` ends with one of `suffixes`."""
        return path.name.lower().endswith(self.suffixes)

    def accepts(self, path: Path) -> bool:
        """Whether this format reads the existing `path`; it may raise `OSError`."""
        return (not self.suffixes or self.has_suffix(path)) and self.recognises(path)

    def is_main_file(self, path: Path) -> bool:
        """Whether `path`, which has one of `suffixes`, stands for an image by itself.

        Of header and voxels in two files that is the header. Other programs use some of the suffixes as well,
        so the header is looked at; where it cannot be read, the name decides.
        """
        if not self.voxel_suffixes:
            return True
        try:
            return path == self.files(path)[0] and self.accepts(path)
        except (UnreadableInput, OSError):
            return path.name.lower().endswith(self.main_suffixes)
