#!/usr/bin/env bash
# Builds the public corpus: five images of 0.4 to 0.7 GB as docker-archives, no engine needed.
#   debian-1, debian-2      a Debian base as released, and after `apt-get dist-upgrade` with updates and security
#   app-1, app-2, app-3     a Node binary, node_modules and an application in three releases on those bases
# Wants root, debootstrap, and this machine's own apt sources and npm registry. A finished file is kept.
#   native-bench/corpus.sh [DIRECTORY]      default: ${TMPDIR:-/tmp}/dbup-corpus
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${TMPDIR:-/tmp}/dbup-corpus}
build=$out/build
packages=ca-certificates,curl,git,imagemagick,libssl-dev,openssl,perl,procps,python3,sqlite3
# Each release: the day of its build, its Node binary, the base it stands on.
releases=('1 2024-02-15 20.11.0 1' '2 2024-03-15 20.11.1 1' '3 2024-05-15 20.12.2 2')

[ "$(id -u)" = 0 ] || { echo 'corpus.sh must run as root: debootstrap and chroot want it' >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
mkdir -p "$build"
say() { printf 'corpus: %s\n' "$*" >&2; }

# What the machine itself installs from: "URI RELEASE" of every source with the component main.
apt_sources() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk '$3 == "main" { print $1, $2 }' | sort -u
}

clean_root() {
  rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/* "$1"/var/cache/ldconfig/* "$1"/tmp/*
  rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/machine-id
}

layer_tar() { # DIRECTORY FILE [more options of tar]
  local directory=$1 file=$2
  shift 2
  tar --format=gnu --sort=name --numeric-owner --one-file-system "$@" -C "$directory" -cf "$file.part" .
  mv "$file.part" "$file"
}

build_bases() {
  [ -e "$build/base-2.tar" ] && return
  . /etc/os-release
  local mirror
  mirror=$(apt_sources | awk -v suite="$VERSION_CODENAME" '$2 == suite { print $1; exit }')
  rm -rf "$build/base"
  say "debootstrap $VERSION_CODENAME"
  debootstrap --variant=minbase --include="$packages" "$VERSION_CODENAME" "$build/base" "$mirror" >"$build/debootstrap.log" 2>&1
  apt_sources | awk -v code="$VERSION_CODENAME" 'index($2, code) == 1 { print "deb", $1, $2, "main" }' >"$build/upgrade.list"
  cp "$build/base/etc/apt/sources.list" "$build/plain.list"
  clean_root "$build/base"
  layer_tar "$build/base" "$build/base-1.tar"
  say 'dist-upgrade'
  cp "$build/upgrade.list" "$build/base/etc/apt/sources.list"
  if [ -e /etc/resolv.conf ]; then cp -L /etc/resolv.conf "$build/base/etc/resolv.conf"; fi
  mkdir -p "$build/base"/var/cache/apt/archives/partial "$build/base"/var/lib/apt/lists/partial "$build/base"/var/log/apt
  chroot "$build/base" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get dist-upgrade -y -qq' \
    >"$build/upgrade.log" 2>&1
  cp "$build/plain.list" "$build/base/etc/apt/sources.list"
  clean_root "$build/base"
  layer_tar "$build/base" "$build/base-2.tar"
  rm -rf "$build/base"
}

build_release() { # RELEASE DAY NODE
  local release=$1 day=$2 node=$3 root=$build/app-$1
  [ -e "$build/app-$release.tar" ] && return
  say "application, release $release: node $node"
  rm -rf "$root" && mkdir -p "$root/node/usr/local/bin" "$root/modules/app" "$root/app/app" "$root/fetch"
  (cd "$root/fetch" && npm pack --silent "node-linux-$(node -p process.arch)@$node" >/dev/null && tar -xzf ./*.tgz)
  install -m 755 "$root/fetch/package/bin/node" "$root/node/usr/local/bin/node"
  cp "$here/corpus/$release"/package*.json "$root/modules/app/"
  (cd "$root/modules/app" && npm ci --ignore-scripts --no-audit --no-fund --silent >/dev/null)
  mv "$root/modules/app"/package*.json "$root/app/app/"
  cp "$here/corpus/server.js" "$root/app/app/"
  # Every build of a release touches every file anew, as a build does.
  layer_tar "$root/node" "$build/node-$release.tar" --owner=0 --group=0 --mtime="$day 10:00Z"
  layer_tar "$root/modules" "$build/modules-$release.tar" --owner=0 --group=0 --mtime="$day 10:05Z"
  layer_tar "$root/app" "$build/app-$release.tar" --owner=0 --group=0 --mtime="$day 10:06Z"
  rm -rf "$root"
}

pack() { # NAME LAYER…
  local name=$1
  shift
  [ -e "$out/$name.tar" ] && return
  node "$here/pack-image.mjs" --out "$out/$name.tar.part" --tag "${name%-*}:${name##*-}" --cmd "${cmd:-/bin/bash}" "$@" >&2
  mv "$out/$name.tar.part" "$out/$name.tar"
}

build_bases
pack debian-1 "$build/base-1.tar"
pack debian-2 "$build/base-2.tar"
for entry in "${releases[@]}"; do
  read -r release day node base <<<"$entry"
  build_release "$release" "$day" "$node"
  cmd='/usr/local/bin/node /app/server.js' pack "app-$release" \
    "$build/base-$base.tar" "$build/node-$release.tar" "$build/modules-$release.tar" "$build/app-$release.tar"
done
ls -l "$out"/*.tar
