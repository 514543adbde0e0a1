# Shared by tools/setup, tools/check and tools/demo: sourced, never run.
# The caller has `set -euo pipefail` and stands at the top of the checkout.

LIBFUSE_WANTED=${LIBFUSE_WANTED:-3.18.2}  # by default the first without CVE-2026-33150 and -33179
LIBFUSE_PINNED=3.18.3                     # the release that is tested, and its source (LGPL 2.1, linked statically)
LIBFUSE_SHA256=bcd19582c5e30f7fe45dd86a5540e998590aa01903afc7ebcbeea6c8ac5421ee
LIBFUSE_PREFIX=$PWD/.deps/libfuse         # where ours goes when the packaged one does not suffice

build_packages=(g++ meson ninja-build pkg-config dpkg-dev util-linux python3
  fuse3 libfuse3-dev liburing-dev libnuma-dev libudev-dev
  libsqlite3-dev libspdlog-dev libcli11-dev nlohmann-json3-dev libsodium-dev libssl-dev libcap-dev libseccomp-dev libsystemd-dev
  libpq-dev libgtest-dev)

scratch=()  # what to delete when the script ends, however it ends
trap 'rm -rf -- "${scratch[@]}"' EXIT

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need_packages NAME...: installs by apt-get those that are not there; runs apt-get only if there are any.
need_packages() {
  local missing=() name
  for name; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || die "these packages are missing and only root can install them: ${missing[*]}"
  say "installing ${missing[*]}"

  # A server that a package brings is wanted as a program here: it must not start as a service.
  local policy=/usr/sbin/policy-rc.d ours=
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ours=$policy
    scratch+=("$policy")
  fi
  local status=0 log
  log=$(mktemp)
  scratch+=("$log")
  {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null || status=$?
  [[ -z $ours ]] || rm -f "$ours"
  if ((status)); then
    tail -n 30 "$log" >&2
    die "apt-get failed (above)"
  fi
  rm -f "$log"
  if [[ " ${missing[*]} " == *' nginx '* && -d /run/systemd/system ]]; then
    systemctl disable --quiet nginx.service 2>/dev/null || true
    say "nginx was installed as a program; 'systemctl enable --now nginx' makes it a service"
  fi
}

# want_node: a Node that has node:sqlite as of 22.16, for tests that do without where it cannot be had: the machine's own, or one that npm
# fetches into .deps/node.
want_node() {
  local node architecture
  for node in node "$PWD"/.deps/node/node_modules/*/bin/node; do
    ! "$node" -e 'process.exit("isTransaction" in new (require("node:sqlite").DatabaseSync)(":memory:") ? 0 : 1)' \
      >/dev/null 2>&1 || return 0
  done
  case $(uname -m) in
    x86_64) architecture=x64 ;;
    aarch64) architecture=arm64 ;;
    *) return 0 ;;
  esac
  [[ -n $(type -P npm) ]] || return 0
  say "fetching Node 24 by npm"
  quietly npm install --prefix .deps/node --no-save --no-audit --no-fund --ignore-scripts "node-linux-$architecture@24" ||
    say "without it, examples/node is not tested"
}

# quietly COMMAND...: its output only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  scratch+=("$log")
  "$@" >"$log" 2>&1 </dev/null || status=$?
  ((status == 0)) || tail -n 60 "$log" >&2
  rm -f "$log"
  return "$status"
}

# archive_source: "URI KEYRING" of the distribution's own archive, from the machine's apt sources.
archive_source() {
  local codename files=()
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  shopt -s nullglob
  files=(/etc/apt/sources.list.d/*.sources)
  if ((${#files[@]})); then
    awk -v suite="$codename" -v RS= -F '\n' '
      { uri = key = ""; has = 0
        for (i = 1; i <= NF; i++) {
          n = split($i, w, " ")
          if (tolower(w[1]) == "uris:") uri = w[2]
          if (tolower(w[1]) == "signed-by:" && w[2] ~ /^\//) key = w[2]
          if (tolower(w[1]) == "suites:") for (j = 2; j <= n; j++) if (w[j] == suite) has = 1
          if (tolower(w[1]) == "enabled:" && tolower(w[2]) == "no") uri = ""
        }
        if (has && uri != "" && !done++) print uri, key }' < <(awk 'FNR == 1 && NR > 1 { print "" } 1' "${files[@]}")
  fi
  files=(/etc/apt/sources.lis[t] /etc/apt/sources.list.d/*.list)
  shopt -u nullglob
  cat /dev/null "${files[@]}" | awk -v suite="$codename" '
    $1 == "deb" {
      key = ""; i = 2
      if ($2 ~ /^\[/) for (;; i++) {
        if ($i ~ /signed-by=/) { key = $i; sub(/.*signed-by=/, "", key); sub(/].*/, "", key) }
        if ($i ~ /]$/ || i > NF) { i++; break }
      }
      if ($(i + 1) == suite && !done++) print $i, key }'
}

# fetch_libfuse DIR: unpacks the distribution's newest fuse3 source into DIR/src.
fetch_libfuse() {
  local dir=$1 uri key
  read -r uri key < <(archive_source) || true
  [[ -n ${uri:-} ]] || { say "no archive of this distribution in /etc/apt" >&2; return 1; }
  [[ -n ${key:-} ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$dir/lists/partial" "$dir/download"
  printf 'deb-src [signed-by=%s] %s sid main\n' "$key" "$uri" >"$dir/sid.list"
  local apt=(apt-get -q
    -o "Dir::Etc::SourceList=$dir/sid.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$dir/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
  "${apt[@]}" update || return 1
  (cd "$dir/download" && "${apt[@]}" source --download-only fuse3) || return 1
  local dsc=("$dir"/download/fuse3_*.dsc)
  dpkg-source --no-check -x "${dsc[0]}" "$dir/src"
}

# libfuse_is_pinned DIR: what was fetched is the release that is tested, to the byte. Debian's archive has the newest alone; another
# release is used with a warning, since the archive's signature vouches for it. Ends the script if the release has other bytes.
libfuse_is_pinned() {
  local source=$1/download/fuse3_$LIBFUSE_PINNED.orig.tar.gz
  [[ -e $source ]] || return 1
  sha256sum --status --check <<<"$LIBFUSE_SHA256  $source" ||
    die "fuse3_$LIBFUSE_PINNED.orig.tar.gz of Debian's archive is not the file that it was (SHA-256)"
}

# answers_over_io_uring HEADER...: nothing is amiss with io_uring in the libfuse of these headers: there is none, or any
# thread may reply to a request (tools/patches says why that matters).
answers_over_io_uring() {
  cat "$@" 2>/dev/null | awk '
    /#define FUSE_CAP_OVER_IO_URING/ { has = 1 }
    /#define FUSE_URING_REPLIES_FROM_ANY_THREAD/ { answers = 1 }
    END { exit has && !answers }'
}

# packaged_libfuse_suffices: it is new enough, and can be used with all that it has.
packaged_libfuse_suffices() {
  pkg-config --atleast-version="$LIBFUSE_WANTED" fuse3 &&
    answers_over_io_uring "$(pkg-config --variable=includedir fuse3)"/fuse3/fuse_*.h
}

# have_libfuse: a libfuse of ours, built for this checkout where it stands, is there.
have_libfuse() {
  local pc=$LIBFUSE_PREFIX/lib/pkgconfig
  [[ -e $pc/fuse3.pc && -e $LIBFUSE_PREFIX/lib/libfuse3.a ]] &&
    [[ $(PKG_CONFIG_PATH=$pc pkg-config --variable=prefix fuse3) == "$LIBFUSE_PREFIX" ]] &&
    PKG_CONFIG_PATH=$pc pkg-config --atleast-version="$LIBFUSE_WANTED" fuse3 &&
    answers_over_io_uring "$LIBFUSE_PREFIX"/include/fuse3/fuse_*.h
}

# make_libfuse DIR: fetches, builds and installs it, with DIR to work in; in place at once or not at all.
make_libfuse() {
  local dir=$1 patch=tools/patches/libfuse-replies-from-any-thread.patch
  quietly fetch_libfuse "$dir" || return 1
  libfuse_is_pinned "$dir" ||
    say "warning: Debian's newest libfuse is not $LIBFUSE_PINNED, with which grantfs is tested; building it nevertheless" >&2
  if patch --dry-run --silent --directory="$dir/src" --strip=1 <"$patch"; then
    patch --silent --directory="$dir/src" --strip=1 <"$patch"
  else
    say "warning: $patch does not fit the newest libfuse; grantfs will not use io_uring" >&2
  fi
  quietly meson setup "$dir/build" "$dir/src" --prefix="$LIBFUSE_PREFIX" --libdir=lib --bindir=/usr/bin \
    --buildtype=release -Ddefault_library=static -Dutils=false -Dexamples=false -Dtests=false || return 1
  grep -qsr '#define HAVE_URING' --include='*.h' "$dir/build" ||
    say "warning: this libfuse has no io_uring transport (it needs liburing and libnuma)" >&2
  quietly ninja -C "$dir/build" || return 1
  DESTDIR="$dir/stage" quietly meson install -C "$dir/build" --no-rebuild || return 1
  rm -rf "$LIBFUSE_PREFIX"
  mkdir -p "${LIBFUSE_PREFIX%/*}"
  mv "$dir/stage$LIBFUSE_PREFIX" "$LIBFUSE_PREFIX"
}

# need_libfuse: the packaged one if it suffices, else ours; sets libfuse_options, meson's for it.
need_libfuse() {
  libfuse_options=(-Dlibfuse=system)
  ! packaged_libfuse_suffices || return 0
  have_libfuse || try_libfuse || return 0
  libfuse_options=(-Dlibfuse=static "--pkg-config-path=$LIBFUSE_PREFIX/lib/pkgconfig")
}

# try_libfuse: make_libfuse in a folder of its own; says so, and says what it means if it fails.
try_libfuse() {
  say "building libfuse (the packaged $(pkg-config --modversion fuse3) will not do)"
  local dir status=0
  mkdir -p .deps
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  make_libfuse "$dir" || status=$?
  rm -rf "$dir"
  ((status == 0)) ||
    say "warning: no newer libfuse could be built; grantfs is built with the packaged one, without io_uring" >&2
  return "$status"
}

# build_dir DIR OPTION... [-- TARGET...]: a meson build in DIR with exactly these options, of these targets or all;
# silent when nothing is to do.
build_dir() {
  local dir=$1 stamp=$1/.options options=() targets=() word
  shift
  for word; do
    shift
    [[ $word != -- ]] || { targets=("$@"); break; }
    options+=("$word")
  done
  if [[ ! -e $dir/meson-private/coredata.dat || $(cat "$stamp" 2>/dev/null) != "${options[*]}" ]]; then
    say "building $dir"
    rm -rf -- "$dir"  # not meson's --wipe, which keeps the options of before
    quietly meson setup "$dir" "${options[@]}" || die "meson setup $dir failed (above)"
  fi
  printf '%s\n' "${options[*]}" >"$stamp"
  quietly ninja -C "$dir" "${targets[@]}" || die "the build in $dir failed (above)"
}

# build_in_lumps DIR OPTION... [-- TARGET...]: build_dir with up to eight sources compiled as one, by a third of the
# processor's time; one by one where names of theirs collide. For a build that is made once, and tested.
build_in_lumps() {
  local dir=$1 log
  shift
  log=$(mktemp)
  scratch+=("$log")
  # The compiler takes a lump for one source: a name of one file then shadows another's, and what is in an anonymous
  # namespace of a source seems to be in a header's.
  (build_dir "$dir" -Dunity=on -Dunity_size=8 '-Dcpp_args=-Wno-shadow -Wno-subobject-linkage' "$@") >"$log" 2>&1 && return
  say "the sources of $dir cannot be compiled as one, and are compiled one by one: $(grep -m 1 'error:' "$log" || tail -n 1 "$log")"
  build_dir "$dir" "$@"
}
