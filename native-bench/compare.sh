#!/usr/bin/env bash
# Stores the corpus, image after image, with dbup and with its peers, in one run on one machine; takes the last
# image out again and compares it; writes the tables of docs/benchmarks.md. A tool that is missing and cannot be
# installed is left out, and the tables say so.
#   native-bench/compare.sh [CORPUS]     default: ${TMPDIR:-/tmp}/dbup-corpus, made by corpus.sh
#   ROUNDS=3 (medians and spread)   TOOLS="dbup borg"   IMAGES="debian-1 debian-2"   WORK=directory
#   DOCUMENT=file in place of docs/benchmarks.md, or none   RESULT=name: out/name.tsv and out/name.jsonl are written
# zbackup (LZMA, minutes an image) runs only where TOOLS names it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
corpus=${1:-${TMPDIR:-/tmp}/dbup-corpus}
rounds=${ROUNDS:-1}
images=${IMAGES:-debian-1 debian-2 app-1 app-2 app-3}
tools=${TOOLS:-dbup dbup-max borg-64k borg bup restic casync zstd-patch skopeo-oci gzip}
document=${DOCUMENT:-$root/docs/benchmarks.md}
result=$here/out/${RESULT:-compare}
work=${WORK:-$(mktemp -d)}
results=$work/results.tsv
export DBUP_CACHE_DIR=$work/dbup-cache BORG_BASE_DIR=$work/borg-home BUP_DIR=$work/repo RESTIC_PASSWORD=corpus LC_ALL=C
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes RESTIC_CACHE_DIR=$work/restic-cache
repo=$work/repo
say() { printf 'compare: %s\n' "$*" >&2; }

for image in $images; do
  [ -e "$corpus/$image.tar" ] || { say "$corpus/$image.tar is missing: run native-bench/corpus.sh first"; exit 1; }
done
: >"$results"

# name of the program, of its Debian package, and how it tells its version
program_of() {
  case $1 in
    dbup*) echo node - "node $root/dist/cli.js --version" ;;
    borg*) echo borg borgbackup 'borg --version' ;;
    bup) echo bup bup 'bup --version' ;;
    restic) echo restic restic 'restic version' ;;
    casync) echo casync casync 'casync --version' ;;
    zbackup) echo zbackup zbackup 'zbackup --help' ;;
    zstd-patch) echo zstd zstd 'zstd --version' ;;
    skopeo-oci) echo skopeo skopeo 'skopeo --version' ;;
    gzip) echo gzip gzip 'gzip --version' ;;
  esac
}

available() {
  local program package version
  read -r program package version <<<"$(program_of "$1")"
  command -v "$program" >/dev/null && return
  [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 && command -v "$program" >/dev/null
}

# The first number with a dot that a tool says of itself, otherwise its first number.
version_of() {
  local said
  said=$($1 2>&1 | grep -v DEBUG | head -1) || true
  grep -Eo '[0-9]+(\.[0-9]+)+' <<<"$said" | head -1 | grep . || grep -Eo '[0-9]+' <<<"$said" | head -1 || true
}

prepare() {
  case $1 in
    borg*) borg init -e none "$repo" 2>/dev/null ;;
    bup) bup init 2>/dev/null ;;
    restic) restic -q init -r "$repo" >/dev/null ;;
    zbackup) zbackup --silent --non-encrypted init "$repo" 2>/dev/null ;;
    *) mkdir -p "$repo" ;;
  esac
}

# The command that stores IMAGE; PREVIOUS is the image stored before it.
store() { # TOOL IMAGE PREVIOUS
  local file=$corpus/$2.tar
  case $1 in
    dbup) echo "exec node '$root/dist/cli.js' --quiet --pool '$repo/pool' save -i '$file' --as '$2'" ;;
    dbup-max) echo "exec node '$root/dist/cli.js' --quiet --pool '$repo/pool' save -i '$file' --as '$2' --level max" ;;
    borg) echo "exec borg create --compression zstd,3 '$repo::$2' '$file'" ;;
    borg-64k) echo "exec borg create --compression zstd,3 --chunker-params 14,18,16,4095 '$repo::$2' '$file'" ;;
    bup) echo "exec bup split -q -n '$2' '$file' 2>/dev/null" ;;
    restic) echo "exec restic -q -r '$repo' backup --tag '$2' '$file'" ;;
    casync) echo "exec casync make --store='$repo/store' '$repo/$2.caibx' '$file' >/dev/null" ;;
    zbackup) echo "exec zbackup --silent --non-encrypted backup '$repo/backups/$2' <'$file' 2>/dev/null" ;;
    zstd-patch)
      if [ -z "$3" ]; then echo "exec zstd -q -12 --long=27 '$file' -o '$repo/$2.zst'"
      else echo "exec zstd -q -12 --long=27 --patch-from='$corpus/$3.tar' '$file' -o '$repo/$2.zst'"; fi ;;
    skopeo-oci) echo "exec skopeo --insecure-policy copy -q 'docker-archive:$file' 'oci:$repo/layout:$2'" ;;
    gzip) echo "exec gzip -6 -c '$file' >'$repo/$2.gz'" ;;
  esac
}

# The command that gives IMAGE back as FILE; skopeo makes another archive of the same image.
restore() { # TOOL IMAGE PREVIOUS FILE
  case $1 in
    dbup*) echo "exec node '$root/dist/cli.js' --quiet --pool '$repo/pool' load '$2' -o '$4'" ;;
    borg*) echo "exec borg extract --stdout '$repo::$2' >'$4'" ;;
    bup) echo "exec bup join '$2' >'$4'" ;;
    restic) echo "exec restic -q -r '$repo' dump --tag '$2' latest '$corpus/$2.tar' >'$4'" ;;
    casync) echo "exec casync extract --store='$repo/store' '$repo/$2.caibx' '$4'" ;;
    zbackup) echo "exec zbackup --silent --non-encrypted restore '$repo/backups/$2' >'$4' 2>/dev/null" ;;
    zstd-patch) echo "exec zstd -q -d --long=30 ${3:+--patch-from='$corpus/$3.tar'} '$repo/$2.zst' -o '$4'" ;;
    skopeo-oci) echo "exec skopeo --insecure-policy copy -q 'oci:$repo/layout:$2' 'docker-archive:$4:corpus:$2'" ;;
    gzip) echo "exec gzip -dc '$repo/$2.gz' >'$4'" ;;
  esac
}

stored_bytes() { find "$repo" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%d", sum }'; }

run_tool() { # TOOL ROUND
  local tool=$1 round=$2 previous='' before=0 after image
  rm -rf "$repo" "$work"/{dbup-cache,borg-home,restic-cache}
  prepare "$tool"
  for image in $images; do
    # Every tool finds the file in memory, so that the disk is not what is measured.
    cat "$corpus/$image.tar" >/dev/null
    python3 "$here/measure.py" "$work/cost" x sh -c "$(store "$tool" "$image" "$previous")"
    after=$(stored_bytes)
    printf '%s\t%s\tstore\t%s\t%d\t%s\n' "$tool" "$round" "$image" $((after - before)) "$(cut -f2- "$work/cost")" >>"$results"
    rm "$work/cost"
    before=$after
    last=$image
    last_previous=$previous
    previous=$image
  done
  rm -f "$work/restored"
  python3 "$here/measure.py" "$work/cost" x sh -c "$(restore "$tool" "$last" "$last_previous" "$work/restored")"
  [ "$tool" = skopeo-oci ] || cmp "$corpus/$last.tar" "$work/restored"
  printf '%s\t%s\tload\t%s\t%d\t%s\n' "$tool" "$round" "$last" 0 "$(cut -f2- "$work/cost")" >>"$results"
  rm -f "$work/cost" "$work/restored"
}

for image in $images; do
  printf 'corpus\t0\tsize\t%s\t%d\t0\t0\t0\n' "$image" "$(stat -c %s "$corpus/$image.tar")" >>"$results"
done
for tool in $tools; do
  if ! available "$tool"; then
    say "$tool is not installed and cannot be"
    printf '%s\t0\tmissing\t-\t0\t0\t0\t0\n' "$tool" >>"$results"
    continue
  fi
  read -r _ _ version <<<"$(program_of "$tool")"
  printf '%s\t0\tversion\t%s\t0\t0\t0\t0\n' "$tool" "$(version_of "$version")" >>"$results"
  for round in $(seq "$rounds"); do
    say "$tool, round $round of $rounds"
    run_tool "$tool" "$round"
  done
done
mkdir -p "$here/out"
cp "$results" "$result.tsv"
node "$here/compare-tables.mjs" "$result.tsv" "$result.jsonl" "$document"
[ -n "${WORK:-}" ] || rm -rf "$work"
