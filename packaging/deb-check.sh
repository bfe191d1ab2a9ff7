#!/usr/bin/env bash
# Installs the Debian package on a bare Debian, runs it without a network, removes it; a user's files stay.
# Usage: packaging/deb-check.sh FILE.deb [FOLDER-FOR-THE-DEBIAN]. Needs root, debootstrap and a Debian mirror.
set -euo pipefail
package=$(realpath "${1:?the .deb file}")
debian=$(realpath -m "${2:-$(mktemp -d)/debian}")
here=$(cd "$(dirname "$0")" && pwd)
say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'deb-check: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "only root can make a bare Debian to install in"
command -v debootstrap >/dev/null || fail "debootstrap is missing; install it with apt-get"

inside() { chroot "$debian" /usr/bin/env -i HOME=/home/somebody PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 "$@"; }
without_network() {
  unshare -n chroot "$debian" /usr/bin/env -i HOME=/home/somebody PATH=/usr/bin:/bin LANG=C.UTF-8 "$@"
}
users_files() { (cd "$debian/home/somebody" && find . -type f -exec sha256sum {} + | sort -k2); }

if [ ! -x "$debian/usr/bin/dpkg" ]; then
  say "a bare Debian"
  # One of the two kinds of lists is there, the other seldom.
  lists=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true)
  mirror=$(sed -n 's/^URIs: //p; s/^deb \([^ ]*\) .*/\1/p' <<<"$lists" | head -1)
  debootstrap --variant=minbase bookworm "$debian" "$mirror" >/dev/null
fi
mount --bind /proc "$debian/proc" && mount --bind /dev "$debian/dev"
trap 'umount "$debian/proc" "$debian/dev"' EXIT
mkdir -p "$debian/home/somebody"
cp "$package" "$debian/tmp/attunet.deb"
cp "$here/tiny-recipe.toml" "$debian/tmp/"

say "install"
inside apt-get install -y -q --no-install-recommends /tmp/attunet.deb xvfb xauth >/dev/null
! inside sh -c 'command -v python3' || fail "there is a Python; the check would prove nothing"

say "run, without a network"
without_network attunet doctor
without_network sh -c 'cd && attunet phantom -o ct --shape 48 160 200 --spacing 5 2 2 && rm ct/*_label*'
without_network sh -c 'cd && attunet worklist new project && attunet worklist add project ct --as somebody'
without_network sh -c 'cd && attunet worklist draft project'
without_network sh -c 'cd && attunet demo --out demo'
before=$(users_files)

say "remove"
inside dpkg --purge attunet
[ ! -e "$debian/usr/lib/attunet" ] && [ ! -e "$debian/usr/bin/attunet" ] || fail "something of it stayed"
[ "$before" = "$(users_files)" ] || fail "a file of the user changed or went"
say "the $(wc -l <<<"$before") files of the user are as they were"
