#!/bin/sh
# build.sh makes engine.wasm, on which plugins in JavaScript run, from pinned
# sources.
#
#   build.sh            build, and compare with the committed engine.wasm
#   build.sh --write    build, and write engine.wasm and its sha256
#
# It installs nothing; what it needs is what plugins/javascript/build.sh needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$here/../../../build/javascript
out=plugins
optimise=-Os
engine=$here/src
. "$here/quickjs.sh"

prelude
bytecode prelude
# Names stay, for stack traces; the stack pointer is part of the image.
link engine.wasm -Wl,--strip-debug -Wl,--export=__stack_pointer
compare engine.wasm "${1:-compare}"
