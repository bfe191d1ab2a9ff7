"""The licences of everything that is inside a package: of Python packages, of Python, of system libraries.

Read from where each file came from: the records of the Python packages, and of the Debian packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

_LICENCE_FILE = re.compile(r"licen[cs]e|licensing|copying|notice|copyright|third.party", re.IGNORECASE)
_CODE = {".py", ".pyc", ".pyi", ".so"}
_COMMON = Path("/usr/share/common-licenses")
_WITHOUT_TEXT = {
    "flatbuffers": ("Apache-2.0",),
    "pyside6-essentials": ("LGPL-3", "GPL-3"),
    "shiboken6": ("LGPL-3", "GPL-3"),
}
"""Packages whose wheels bring no text, and the texts they name."""
_PROJECT = Path(__file__).resolve().parents[1]
_MADE = "base_library.zip"
"""Python's own modules, put together by the build."""
_IN_METADATA = {"pyjpegls"}
"""Packages whose wheels say their licence (MIT) in their metadata only."""


@dataclass(frozen=True)
class Part:
    """One thing inside that has a licence of its own.

    Attributes:
        kind: "python" or "system", which is also the folder its texts go to.
        name, version: as its packager calls it.
        licence: as it says itself in a few words; empty where the texts say it.
        texts: files with the licence.
    """

    kind: str
    name: str
    version: str
    licence: str
    texts: tuple[Path, ...]


def parts_of(sources: Iterable[Path]) -> tuple[Part, ...]:
    """What the files at `sources` belong to, sorted.

    Raises:
        LookupError: a file that nobody owns, or an owner without a licence text.
    """
    left = {source.resolve() for source in sources if source.is_file()}
    python, owned = _python_parts(left)
    left = {source for source in left - owned if not source.is_relative_to(_standard_library())}
    left = {source for source in left if not source.is_relative_to(_PROJECT) and source.name != _MADE}
    parts = (*python, _python_itself(), _bootloader(), *_system_parts(left))
    bare = [part.name for part in parts if not part.texts]
    if bare:
        raise LookupError(f"No licence text was found of: {', '.join(bare)}.")
    return tuple(sorted(parts, key=lambda part: (part.kind, part.name.lower())))


def write(parts: Iterable[Part], folder: Path) -> None:
    """Copy the texts of `parts` below `folder`, with `INDEX.txt` that names each part and its licence."""
    lines = ["What is inside, and under which licence. The texts are in the folders named here.", ""]
    for part in parts:
        into = folder / part.kind / part.name
        into.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(part.texts):
            name = text.name if not (into / text.name).exists() else f"{number}-{text.name}"
            shutil.copyfile(text, into / name)
        lines.append(f"{part.name} {part.version}: {part.licence or 'see text'} ({part.kind}/{part.name}/)")
    (folder / "INDEX.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _python_parts(files: set[Path]) -> tuple[list[Part], set[Path]]:
    parts, owned = [], set[Path]()
    for distribution in distributions():
        root = Path(str(distribution.locate_file(""))).resolve()
        mine = {Path(os.path.normpath(root / file)) for file in distribution.files or ()} & files
        owned |= mine
        if any(not file.parent.name.endswith(".dist-info") for file in mine):
            parts.append(_python_part(distribution))
    return parts, owned


def _python_part(distribution: Distribution) -> Part:
    name, about = distribution.name, distribution.metadata
    texts = [_COMMON / text for text in _WITHOUT_TEXT.get(name.lower().replace("_", "-"), ())]
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if _is_licence(name, file) and path.is_file():
            texts.append(path)
    kinds = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or () if "License ::" in line]
    short = about.get("License-Expression") or ", ".join(kinds) or (about.get("License") or "").split("\n")[0]
    return Part("python", name, distribution.version, short[:80], tuple(texts))


def _is_licence(package: str, file: PurePath) -> bool:
    if package in _IN_METADATA and file.name == "METADATA":
        return True
    return bool(_LICENCE_FILE.search("/".join(file.parts[-3:]))) and file.suffix not in _CODE


def _standard_library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"]).resolve().parent


def _python_itself() -> Part:
    text = Path(sysconfig.get_paths()["stdlib"]) / "LICENSE.txt"
    return Part("python", "Python", sysconfig.get_python_version(), "PSF-2.0", (text,))


def _bootloader() -> Part:
    found = next(d for d in distributions() if d.name.lower() == "pyinstaller")
    made = _python_part(found)
    return Part("python", "PyInstaller bootloader", made.version, "GPL-2.0 with exception", made.texts)


def _system_parts(files: set[Path]) -> list[Part]:
    packages: dict[str, str] = {}
    for file in sorted(files):
        package, version = _debian_package(file)
        packages[package] = version
    return [_system_part(name, version) for name, version in packages.items()]


def _system_part(name: str, version: str) -> Part:
    text = Path("/usr/share/doc") / name.split(":")[0] / "copyright"
    return Part("system", name.split(":")[0], version, "", (text,) if text.is_file() else ())


def _debian_package(file: Path) -> tuple[str, str]:
    for path in (file, Path(str(file).removeprefix("/usr"))):
        asked = ["dpkg-query", "-S", str(path)]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if not found.returncode:
            name = found.stdout.split(": ")[0].split(",")[0]
            version = ["dpkg-query", "-W", "-f", "${Version}", name]
            return name, subprocess.run(version, capture_output=True, text=True, check=True).stdout
    raise LookupError(f"{file} is in the package, and no package of Python or Debian owns it.")


def main() -> None:
    """Usage: licences.py LIST FOLDER, where LIST names the files that went into the package, one a line."""
    listed, folder = Path(sys.argv[1]), Path(sys.argv[2])
    write(parts_of(Path(line) for line in listed.read_text("utf-8").splitlines() if line), folder)


if __name__ == "__main__":
    main()
