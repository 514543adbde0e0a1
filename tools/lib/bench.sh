# What tools/bench needs besides common.sh: sourced after it, never run.

PASSTHROUGH_HP=$PWD/.deps/passthrough_hp

# need_passthrough_hp: libfuse's own example, from the source package that our libfuse is built from.
# Without it its rows are missing from the table, and everything else is measured.
need_passthrough_hp() {
  [[ -x $PASSTHROUGH_HP ]] && return 0
  say "building passthrough_hp of libfuse"
  local dir status=0
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  make_passthrough_hp "$dir" || status=$?
  rm -rf "$dir"
  ((status == 0)) || say "warning: passthrough_hp could not be built (above); its rows will be missing" >&2
}

# make_passthrough_hp DIR: builds it in DIR, with libfuse linked in; in place at once or not at all.
make_passthrough_hp() {
  local dir=$1
  quietly fetch_libfuse "$dir" || return 1
  quietly meson setup "$dir/build" "$dir/src" --buildtype=release -Ddefault_library=static \
    -Dutils=false -Dexamples=true -Dtests=false || return 1
  quietly ninja -C "$dir/build" example/passthrough_hp || return 1
  mv "$dir/build/example/passthrough_hp" "$PASSTHROUGH_HP"
}
