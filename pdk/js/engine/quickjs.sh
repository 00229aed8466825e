# quickjs.sh is what the recipes of all modules around QuickJS-NG share: its
# pinned source, JavaScript to bytecode, the flags, and the comparison with the
# committed module. A build.sh sources it, after it has set
#
#   here   its own folder, which holds src/
#   work   the folder for archives and what is made of them
#   out    the name of a folder in it, for what this module is made of
#   engine the folder src beside this file
#   optimise  -O2, or -Os for a third less code that runs about as fast
#
# It sets qjs (the source of QuickJS-NG), and leaves the shell in $work/$out.

# name, version, sha256 of the registry's archive
ENGINE_CRATE=rquickjs-sys ENGINE_VERSION=0.14.0 # holds QuickJS-NG 0.16.2
ENGINE_SHA=cee271d0eeba64f0915b846cb7ae02e16faf3dfdffdca91731101d9d30fe3423

die() {
	echo "build.sh: $*" >&2
	exit 1
}

for tool in clang-19 wasm-ld-19 sha256sum; do
	command -v $tool >/dev/null || die "$tool is missing; apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"
done
[ -e /usr/lib/wasm32-wasi/libc.a ] || die "wasi-libc is missing; apt-get install wasi-libc"

check() { # file sha256
	echo "$2  $1" | sha256sum --check --quiet - || die "$1 is not the pinned archive; delete it and run again"
}

# ---- sources

mkdir -p "$work/$out"
work=$(cd "$work" && pwd)
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
rm -rf "$work/engine" && mkdir "$work/engine"
tar xzf "$archive" -C "$work/engine" --strip-components=1
qjs=$work/engine/quickjs
engine_sources="$qjs/libregexp.c $qjs/libunicode.c $qjs/dtoa.c"
out=$work/$out
cd "$out"

# ---- JavaScript to bytecode

# bytecode makes each NAME.js here a NAME.bin.
bytecode() { # names
	clang-19 -O1 -w -DNDEBUG -D_GNU_SOURCE -I"$qjs" -o compile "$engine/compile.c" "$qjs/quickjs.c" $engine_sources -lm -lpthread
	for name; do
		./compile "$name.js" "$name.js" "$name.bin"
	done
}

# prelude puts the shared globals into the module's own prelude.
prelude() {
	sed -e "/@include globals.js/{r $engine/globals.js" -e 'd}' "$here/src/prelude.js" >prelude.js
}

# ---- the module

# link makes a module of heap.c, the module's own plugin.c, and the engine.
link() { # file, flags for the linker
	flags="--target=wasm32-wasi $optimise -mbulk-memory -msign-ext -mnontrapping-fptoint
		-DNDEBUG -D_GNU_SOURCE -ffunction-sections -fdata-sections
		-ffile-prefix-map=$qjs=quickjs -ffile-prefix-map=$here=plugin -I$qjs -I$engine --embed-dir=$out --embed-dir=$here"
	objects=
	for source in "$engine/heap.c" "$here/src/plugin.c" "$engine/engine.c" $engine_sources; do
		object=$(basename "$source" .c).o
		case $source in
		"$engine"/heap.c | "$here"/src/plugin.c) warn="-std=gnu23 -Wall -Wextra -Wno-unused-parameter -Wno-c23-extensions" ;;
		*) warn=-w ;;
		esac
		clang-19 $flags $warn -c -o "$object" "$source"
		objects="$objects $object"
	done
	module=$1
	shift
	clang-19 --target=wasm32-wasi -mexec-model=reactor -O2 -Wl,--gc-sections \
		-Wl,--stack-first -Wl,-z,stack-size=1048576 "$@" -o "$module" $objects
}

# compare holds the made module against the committed one, or commits it.
compare() { # file, --write or anything else
	made=$(sha256sum "$1" | cut -d' ' -f1)
	if [ "$2" = --write ]; then
		cp "$1" "$here/$1"
		echo "$made  $1" >"$here/$1.sha256"
		echo "$1: $(wc -c <"$1") bytes, sha256 $made"
		return
	fi
	wanted=$(cut -d' ' -f1 "$here/$1.sha256")
	[ "$made" = "$wanted" ] || die "built sha256 $made, committed $wanted; built with $(clang-19 --version | head -n 1); run build.sh --write if the sources changed"
	echo "$1: rebuilt byte for byte, sha256 $made"
}
