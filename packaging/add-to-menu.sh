#!/bin/sh
# Puts attunet into this user's menu, or with --remove takes it out. Nothing else of the user is touched.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$data/applications/attunet.desktop
icon=$data/icons/hicolor/scalable/apps/attunet.svg
if [ "${1:-}" = --remove ]; then
  rm -f "$entry" "$icon"
  exit
fi
mkdir -p "$data/applications" "$data/icons/hicolor/scalable/apps"
cp "$here/share/icons/hicolor/scalable/apps/attunet.svg" "$icon"
sed "s|^Exec=attunet|Exec=\"$here/attunet\"|" "$here/share/applications/attunet.desktop" >"$entry"
