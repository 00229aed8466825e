#!/bin/sh
# Rebuilds every guest of the sandbox's tests beside its source, or in the
# directory given. The same tools give the same bytes, so
#   build.sh /tmp/guests && (cd /tmp/guests && find . -name '*.wasm') | while read g; do cmp /tmp/guests/$g $g; done
# shows whether the committed ones match. On Debian 12:
#   apt-get install clang-19 lld-19 wabt rustc libstd-rust-dev-wasm32
set -eu
cd "$(dirname "$0")"
out=${1:-.}
mkdir -p "$out/rust" "$out/debug"
for source in *.wat; do
  wat2wasm "$source" -o "$out/${source%.wat}.wasm"
done
for source in *.c; do
  clang-19 --target=wasm32-unknown-unknown -Oz -Wall -Werror -Wno-infinite-recursion -Wno-unused-function -nostdlib -ffreestanding -fno-builtin -mbulk-memory \
    -fuse-ld=lld -Wl,--no-entry,--strip-all,-z,stack-size=16384 -o "$out/${source%.c}.wasm" "$source"
done
for source in rust/*.rs; do
  /usr/bin/rustc --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=3 -C panic=abort -C lto=fat -C strip=symbols \
    -C linker=wasm-ld-19 -C linker-flavor=wasm-ld -C link-arg=--no-fatal-warnings -o "$out/${source%.rs}.wasm" "$source"
done
# With line tables, whose paths must not be this machine's.
clang-19 --target=wasm32-unknown-unknown -O1 -g -Wall -Werror -Wno-unused-function -nostdlib -ffreestanding -fno-builtin "-ffile-prefix-map=$PWD=." \
  -fuse-ld=lld -Wl,--no-entry,-z,stack-size=16384 -o "$out/debug/c.wasm" debug/crash.c
/usr/bin/rustc --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=1 -g -C lto=fat -C panic=abort "--remap-path-prefix=$PWD=." \
  -C linker=wasm-ld-19 -C linker-flavor=wasm-ld -C link-arg=--no-fatal-warnings -o "$out/debug/rust.wasm" debug/crash.rs
chmod 644 "$out"/*.wasm "$out"/debug/*.wasm "$out"/rust/*.wasm
