#!/usr/bin/env bash
# What package-check.sh does inside its namespace. Needs PROGRAM, RESULTS, HIDDEN, REAL_CT, HOME.
set -euo pipefail
steps=$(cd "$(dirname "$0")" && pwd)
say() { printf '\033[1m--> %s\033[0m\n' "$*"; }
fail() { printf 'package-check: %s\n' "$*" >&2; exit 1; }

hide() {
  local folder IFS=:
  for folder in $HIDDEN; do
    [ ! -d "$folder" ] || mount -t tmpfs none "$folder" 2>/dev/null || echo "not hidden here: $folder"
  done
  for folder in /usr/lib/python3*; do
    [ ! -d "$folder" ] || mount -t tmpfs none "$folder" 2>/dev/null || true
  done
}

attunet() { "$PROGRAM" "$@"; }

# Sockets of the X display are files; everything else would be a network, or a way to one.
watched() {
  if command -v strace >/dev/null; then
    strace -f --seccomp-bpf -qq -e trace=connect,sendto,sendmsg,bind -o "$RESULTS/sockets.txt" "$@"
    ! grep -E 'AF_INET|AF_NETLINK.*connect' "$RESULTS/sockets.txt" || fail "it reached for a network"
  else
    echo "NOT CHECKED: there is no strace here to watch its sockets."
    "$@"
  fi
}

hide
mkdir -p "$RESULTS"
for name in python python3 pip; do
  ! command -v "$name" >/dev/null || fail "there is a $name here; the check would prove nothing"
done

say "attunet doctor"
attunet doctor --json >"$RESULTS/doctor.json"
grep -q '"problems": \[\]' "$RESULTS/doctor.json" || fail "doctor found problems"

say "a draft on a phantom, its sockets watched"
attunet phantom -o "$RESULTS/ct" --shape 48 160 200 --spacing 5 2 2
mkdir "$RESULTS/truth" && mv "$RESULTS/ct/phantom-7_label.nii.gz" "$RESULTS/truth/phantom-7.nii.gz"
watched "$PROGRAM" predict "$RESULTS/ct" -o "$RESULTS/draft" --gates
[ -s "$RESULTS/draft/phantom-7_pancreas.nii.gz" ] || fail "there is no draft"
mkdir "$RESULTS/masks" && cp "$RESULTS/draft/phantom-7_pancreas.nii.gz" "$RESULTS/masks/phantom-7.nii.gz"
attunet evaluate --pred "$RESULTS/masks" --truth "$RESULTS/truth" --images "$RESULTS/ct" -o "$RESULTS/report"

if [ -e "$REAL_CT" ]; then
  say "a draft on a real CT"
  attunet predict "$REAL_CT" -o "$RESULTS/real"
  rm -f "$RESULTS"/real/*gate* && ls "$RESULTS"/real/*_pancreas.nii.gz
fi

say "a project, and an export that has to be refused"
attunet worklist new "$RESULTS/project"
attunet worklist add "$RESULTS/project" "$RESULTS/ct" --as checker
attunet worklist draft "$RESULTS/project"
# Nobody has saved a mask, so there is nothing to export, and that has to be said.
! attunet export "$RESULTS/project" --format nnunet -o "$RESULTS/export" --status drafted >"$RESULTS/export.txt" 2>&1 ||
  fail "a draft that nobody saved was exported"
grep -q 'nobody has saved a mask' "$RESULTS/export.txt" || fail "the export did not say what is missing"

say "training, a few steps"
attunet train "$steps/tiny-recipe.toml" -o "$RESULTS/run"

say "the demo: a draft, gates, a correction, undo, an export, with pictures"
watched "$PROGRAM" demo --out "$RESULTS/demo"
[ -s "$RESULTS/demo/phantom-7_pancreas.nii.gz" ] || fail "the corrected mask was not saved"

say "what it left in the home"
find "$HOME" -type f | sort | tee "$RESULTS/home.txt"
[ ! -e "$HOME/intel" ] || fail "OpenVINO left a number of this client in ~/intel"
