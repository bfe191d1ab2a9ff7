#!/usr/bin/env bash
# Builds the self-contained folder and its archive. Usage: packaging/package.sh [FOLDER], default out/package.
# WHOLE=1 leaves nothing out (to measure), WITHOUT_LEARNING=1 leaves TensorFlow out.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${1:-$root/out/package}")
python=$root/.venv/bin/python
version=$("$python" -c 'import attunet_gui; print(attunet_gui.__version__)')
name=attunet-$version-linux-x86_64

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

build_folder() {
  rm -rf "$out/build" "${out:?}/$name"
  "$python" -m PyInstaller --noconfirm --log-level WARN \
    --distpath "$out/build/dist" --workpath "$out/build/made" "$root/packaging/attunet.spec"
  mv "$out/build/dist/attunet" "$out/$name"
}

add_what_a_desktop_needs() {
  local share=$out/$name/share
  mkdir -p "$share/applications" "$share/icons/hicolor/scalable/apps" "$share/icons/hicolor/256x256/apps"
  cp "$root/packaging/attunet.desktop" "$share/applications/"
  cp "$root/packaging/icon.svg" "$share/icons/hicolor/scalable/apps/attunet.svg"
  QT_QPA_PLATFORM=offscreen "$python" "$root/packaging/icon.py" "$share/icons/hicolor/256x256/apps/attunet.png"
  cp "$root/packaging/add-to-menu.sh" "$out/$name/"
}

add_what_a_reader_needs() {
  cp "$root/LICENSE" "$root/README.md" "$out/$name/"
  ln -s lib/attunet_gui/_data/docs "$out/$name/docs"
  "$python" "$root/packaging/licences.py" "$out/build/made/attunet/inside.txt" "$out/$name/licences"
}

say "1/3 folder"
build_folder
add_what_a_desktop_needs
add_what_a_reader_needs
say "2/3 what is in it"
"$python" "$root/packaging/contents.py" "$out/$name"
say "3/3 archive"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner -c "$name" | xz -T0 -6 >"$out/$name.tar.xz"
(cd "$out" && sha256sum "$name.tar.xz" >"$name.tar.xz.sha256")
du -m "$out/$name.tar.xz"
