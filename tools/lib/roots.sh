# Roots of Debian's releases, in which something is built or tried: sourced after common.sh, never run.

# need_fresh_root RELEASE: a Debian as debootstrap makes it, with nothing else, in .deps/fresh/RELEASE; from the archive that the
# machine's apt has. Nothing is ever changed in it but what apt has fetched: what uses it takes a copy, or an overlay.
need_fresh_root() {
  local release=$1 root=$PWD/.deps/fresh/$1 uri key dir
  [[ ! -e $root/etc/debian_version ]] || return 0
  say "making a root of Debian's $release"
  need_packages debootstrap
  read -r uri key < <(archive_source) || true
  [[ -n ${uri:-} ]] || die "no archive of this distribution in /etc/apt"
  [[ -n ${key:-} ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "${root%/*}"
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  quietly debootstrap --variant=minbase --keyring="$key" "$release" "$dir/root" "$uri" ||
    die "debootstrap failed (above)"
  install -m 644 "$key" "$dir/root/usr/share/keyrings/archive-of-the-machine.gpg"
  printf 'deb [signed-by=/usr/share/keyrings/archive-of-the-machine.gpg] %s %s main\n' "$uri" "$release" \
    >"$dir/root/etc/apt/sources.list"
  rm -rf "$dir/root/var/cache/apt/archives"/*.deb
  chmod 755 "$dir/root"
  mv "$dir/root" "$root"
}

# need_root RELEASE ROOT: a copy of the fresh one in ROOT, in place at once or not at all.
need_root() {
  local release=$1 root=$2 dir
  [[ ! -e $root/etc/debian_version ]] || return 0
  need_fresh_root "$release"
  mkdir -p "${root%/*}"
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  cp -a "$PWD/.deps/fresh/$release" "$dir/root"
  mv "$dir/root" "$root"
}

# connect_root ROOT: its network is the machine's, and so is how apt is told to fetch: a proxy, say.
connect_root() {
  cp -L /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
  apt-config dump | grep -E '^Acquire::(https?|ftp|Check-|Retries|ForceIPv)' >"$1/etc/apt/apt.conf.d/99machine" || true
}

# copy_checkout FOLDER: this checkout as it stands, with what was built there before.
copy_checkout() {
  mkdir -p "$1"
  find "$1" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name .deps -exec rm -rf {} +
  tar -c --exclude='./build*' --exclude=./dist --exclude=./.deps --exclude=./.git --exclude=__pycache__ . | tar -xp -C "$1"
}

# in_root ROOT COMMAND...: runs it there, in mount and process namespaces of its own: whatever it mounts or starts is gone when
# it ends, however it ends.
in_root() { unshare --mount --propagation private --pid --fork --kill-child "$PWD/tools/lib/enter-root" "$@"; }

# in_overlay LOWER DIR [--no-network] [--bind FROM TO] COMMAND...: the same in an overlay over the root LOWER, whose changes are kept
# in DIR/upper; there must be DIR/work and DIR/root, too.
in_overlay() {
  local lower=$1 dir=$2 spaces=(--mount --propagation private --pid --fork --kill-child) more=:
  shift 2
  while [[ $1 == --* ]]; do
    case $1 in
      --no-network) spaces+=(--net) more="$more; ip link set lo up"; shift ;;
      --bind) more="$more; mount --bind '$2' '$dir/root$3'"; shift 3 ;;
    esac
  done
  unshare "${spaces[@]}" bash -ec "mount -t overlay overlay -o 'lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work' '$dir/root'; $more
    exec tools/lib/enter-root '$dir/root' \"\$@\"" bash "$@"
}
