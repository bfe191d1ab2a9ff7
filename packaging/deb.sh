#!/usr/bin/env bash
# Makes a Debian package from the packaged folder. Usage: packaging/deb.sh FOLDER [OUT], default beside FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:?the folder that package.sh made}")
out=$(realpath -m "${2:-$(dirname "$folder")}")
version=$(basename "$folder" | sed 's/^attunet-//; s/-linux-.*//')
tree=$(mktemp -d "$out/deb.XXXX")
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

mkdir -p "$tree/DEBIAN" "$tree/usr/lib" "$tree/usr/bin" "$tree/usr/share/doc/attunet"
cp -rl "$folder" "$tree/usr/lib/attunet" 2>/dev/null || cp -r "$folder" "$tree/usr/lib/attunet"
rm "$tree/usr/lib/attunet/add-to-menu.sh"
mv "$tree/usr/lib/attunet/share/applications" "$tree/usr/lib/attunet/share/icons" "$tree/usr/share/"
rmdir "$tree/usr/lib/attunet/share"
mv "$tree/usr/lib/attunet/licences" "$tree/usr/share/doc/attunet/licences"
ln -s ../lib/attunet/attunet "$tree/usr/bin/attunet"
cat >"$tree/usr/share/doc/attunet/copyright" <<COPYRIGHT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: attunet-gui

Files: *
Copyright: The attunet-gui developers
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
 What else is inside has licences of its own: see licences/INDEX.txt beside this file.
COPYRIGHT
cat >"$tree/DEBIAN/control" <<CONTROL
Package: attunet
Version: $version
Section: science
Priority: optional
Architecture: amd64
Installed-Size: $(du -sk --apparent-size "$tree/usr" | cut -f1)
Depends: $("$here/../.venv/bin/python" "$here/needs.py" "$folder")
Suggests: xvfb, xauth
Maintainer: The attunet-gui developers <attunet-gui@localhost>
Description: annotation assistant for the pancreas in abdominal CT
 Drafts the pancreas, shows what the network looked at, lets a person check and
 correct it, and exports masks on the geometry of the source. Works without a
 network. Research use only, not a medical device.
CONTROL
find "$tree/usr" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group -Zxz -z6 --threads-max="$(nproc)" --build "$tree" "$out/attunet_${version}_amd64.deb" \
  2>/dev/null || dpkg-deb --root-owner-group -Zxz -z6 --build "$tree" "$out/attunet_${version}_amd64.deb"
du -m "$out/attunet_${version}_amd64.deb"
