"""The pictures of the user guide, from the real window: those of `attunet demo` and of the picture tour.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python -m benchmarks.guide_pictures FOLDER

What is in FOLDER already is taken as it is. A picture that the guide names and nobody made is an error.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide.md"
_NAMED = re.compile(r"\]\(images/guide/([\w-]+)\.png\)")
_WIDEST = 1280


def main(folder: Path) -> None:
    """Make them, and put them in the place of those that are there."""
    recorders = {"demo": ("attunet_gui", "demo", "--out"), "tour": ("benchmarks.picture_tour",)}
    for part, words in recorders.items():
        if not (folder / part).is_dir():
            # On a display the demo waits for a person, unless the environment says that nobody is there.
            subprocess.run(
                [sys.executable, "-m", *words, folder / part],
                cwd=ROOT, env=os.environ | {"ATTUNET_DEMO_SCRIPTED": "1"}, check=True,
            )  # fmt: skip
    taken = [path for part in recorders for path in (folder / part).glob("*.png")]
    made = {path.stem.partition("_")[2]: path for path in taken}
    wanted = set(_NAMED.findall(GUIDE.read_text("utf-8")))
    missing = sorted(wanted - made.keys())
    if missing:
        sys.exit(f"Nobody made {', '.join(missing)}.")
    for name in sorted(wanted):
        _smaller(made[name]).save(GUIDE.parent / "images" / "guide" / f"{name}.png", optimize=True)
    for path in (GUIDE.parent / "images" / "guide").glob("*.png"):
        if path.stem not in wanted:
            path.unlink()


def _smaller(path: Path) -> Image.Image:
    """At most as wide as a page, in 256 colours."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((_WIDEST, _WIDEST))
    return picture.quantize(256)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
