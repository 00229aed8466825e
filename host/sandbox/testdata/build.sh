#!/bin/sh
# Rebuilds every guest of the sandbox's tests beside its source, or in the
# directory given. The same tools give the same bytes, so
#   build.sh /tmp/guests && for g in /tmp/guests/*.wasm; do cmp "$g" "$(basename "$g")"; done
# shows whether the committed ones match. On Debian 12:
#   apt-get install clang-19 lld-19 wabt
set -eu
cd "$(dirname "$0")"
out=${1:-.}
mkdir -p "$out"
for source in *.wat; do
  wat2wasm "$source" -o "$out/${source%.wat}.wasm"
done
for source in *.c; do
  clang-19 --target=wasm32-unknown-unknown -Oz -Wall -Werror -Wno-infinite-recursion -Wno-unused-function -nostdlib -ffreestanding -fno-builtin -mbulk-memory \
    -fuse-ld=lld -Wl,--no-entry,--strip-all,-z,stack-size=16384 -o "$out/${source%.c}.wasm" "$source"
done
chmod 644 "$out"/*.wasm
