#!/bin/sh
# build.sh makes javascript.wasm from pinned sources.
#
#   build.sh            build, and compare with the committed javascript.wasm
#   build.sh --write    build, and write javascript.wasm and its sha256
#
# It installs nothing. It needs Debian 12's clang-19, lld-19, wasi-libc and
# libclang-rt-19-dev-wasm32 (the versions below give the committed bytes), and
# cargo and npm to fetch the sources, which are kept in build/javascript of the
# repository; with those in place it needs no network.
set -eu

mode=${1:-compare}
here=$(cd "$(dirname "$0")" && pwd)
work=$here/../../build/javascript
mkdir -p "$work/out"
work=$(cd "$work" && pwd)

# name, version, sha256 of the registry's archive
ENGINE_CRATE=rquickjs-sys ENGINE_VERSION=0.14.0 # holds QuickJS-NG 0.16.2
ENGINE_SHA=cee271d0eeba64f0915b846cb7ae02e16faf3dfdffdca91731101d9d30fe3423
LODASH_VERSION=4.18.1
LODASH_SHA=696942c2a488c9d7428e9ca5f12ccf03b52de01dcdbfe4d4751d392f0491ae16
DAYJS_VERSION=1.11.23
DAYJS_SHA=7da0ff55ddb6d4050b91ea0a11a8e9d92c048305155039387373f20be080e594

DAYJS_PLUGINS="utc customParseFormat advancedFormat localizedFormat duration relativeTime
	isBetween isSameOrBefore isSameOrAfter isoWeek weekOfYear weekYear dayOfYear quarterOfYear minMax"
DAYJS_LOCALES="pt-br es"

die() {
	echo "build.sh: $*" >&2
	exit 1
}

for tool in clang-19 wasm-ld-19 sha256sum; do
	command -v $tool >/dev/null || die "$tool is missing; apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"
done
[ -e /usr/lib/wasm32-wasi/libc.a ] || die "wasi-libc is missing; apt-get install wasi-libc"

# ---- sources

check() { # file sha256
	echo "$2  $1" | sha256sum --check --quiet - || die "$1 is not the pinned archive; delete it and run again"
}

archive=$work/$ENGINE_CRATE-$ENGINE_VERSION.crate
if [ ! -e "$archive" ]; then
	fetch=$work/fetch
	mkdir -p "$fetch/src"
	: >"$fetch/src/lib.rs"
	printf '[package]\nname = "fetch"\nversion = "0.0.0"\n[dependencies]\n%s = "=%s"\n[workspace]\n' \
		"$ENGINE_CRATE" "$ENGINE_VERSION" >"$fetch/Cargo.toml"
	cargo fetch --quiet --manifest-path "$fetch/Cargo.toml"
	cp "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$ENGINE_CRATE-$ENGINE_VERSION.crate" "$archive"
fi
check "$archive" $ENGINE_SHA
for package in "lodash $LODASH_VERSION $LODASH_SHA" "dayjs $DAYJS_VERSION $DAYJS_SHA"; do
	set -- $package
	[ -e "$work/$1-$2.tgz" ] || (cd "$work" && npm pack --silent "$1@$2" >/dev/null)
	check "$work/$1-$2.tgz" "$3"
	rm -rf "$work/$1" && mkdir "$work/$1"
	tar xzf "$work/$1-$2.tgz" -C "$work/$1" --strip-components=1
done
rm -rf "$work/engine" && mkdir "$work/engine"
tar xzf "$archive" -C "$work/engine" --strip-components=1
qjs=$work/engine/quickjs

# ---- JavaScript to bytecode

out=$work/out
cd "$out"

# module prints a CommonJS file as an expression: what it exports.
module() { # file
	printf 'load(function (module, exports, require) {'
	cat "$1"
	printf '\n})'
}
load='const load = (f) => { const module = { exports: {} }; f.call(globalThis, module, module.exports, () => dayjs); return module.exports; };'
{
	printf '(function () { %s\nreturn ' "$load"
	module "$work/lodash/lodash.min.js"
	printf '; })\n'
} >lodash.js
{
	printf '(function () { %s\nconst dayjs = ' "$load"
	module "$work/dayjs/dayjs.min.js"
	for plugin in $DAYJS_PLUGINS; do
		printf ';\ndayjs.extend('
		module "$work/dayjs/plugin/$plugin.js"
		printf ')'
	done
	for locale in $DAYJS_LOCALES; do
		printf ';\n'
		module "$work/dayjs/locale/$locale.js"
	done
	printf ';\nreturn dayjs; })\n'
} >dayjs.js
cp "$here/src/prelude.js" prelude.js

engine_sources="$qjs/libregexp.c $qjs/libunicode.c $qjs/dtoa.c"
clang-19 -O1 -w -DNDEBUG -D_GNU_SOURCE -I"$qjs" -o compile "$here/src/compile.c" "$qjs/quickjs.c" $engine_sources -lm -lpthread
for name in prelude lodash dayjs; do
	./compile "$name.js" "$name.js" "$name.bin"
done

# ---- the module

flags="--target=wasm32-wasi -O2 -mbulk-memory -msign-ext -mnontrapping-fptoint
	-DNDEBUG -D_GNU_SOURCE -ffunction-sections -fdata-sections
	-ffile-prefix-map=$qjs=quickjs -ffile-prefix-map=$here=plugin -I$qjs --embed-dir=$out --embed-dir=$here"
objects=
for source in "$here/src/heap.c" "$here/src/plugin.c" "$here/src/engine.c" $engine_sources; do
	object=$(basename "$source" .c).o
	case $source in
	"$here"/src/heap.c | "$here"/src/plugin.c) warn="-std=gnu23 -Wall -Wextra -Wno-unused-parameter -Wno-c23-extensions" ;;
	*) warn=-w ;;
	esac
	clang-19 $flags $warn -c -o "$object" "$source"
	objects="$objects $object"
done
clang-19 --target=wasm32-wasi -mexec-model=reactor -O2 -Wl,--gc-sections -Wl,--strip-all \
	-Wl,--stack-first -Wl,-z,stack-size=1048576 -o javascript.wasm $objects

# ---- compare or write

made=$(sha256sum javascript.wasm | cut -d' ' -f1)
if [ "$mode" = --write ]; then
	cp javascript.wasm "$here/javascript.wasm"
	echo "$made  javascript.wasm" >"$here/javascript.wasm.sha256"
	echo "javascript.wasm: $(wc -c <javascript.wasm) bytes, sha256 $made"
	exit
fi
wanted=$(cut -d' ' -f1 "$here/javascript.wasm.sha256")
[ "$made" = "$wanted" ] || die "built sha256 $made, committed $wanted; built with $(clang-19 --version | head -n 1); run build.sh --write if the sources changed"
echo "javascript.wasm: rebuilt byte for byte, sha256 $made"
