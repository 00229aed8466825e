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

here=$(cd "$(dirname "$0")" && pwd)
work=$here/../../build/javascript
out=out
optimise=-O2
engine=$here/../../pdk/js/engine/src
. "$engine/../quickjs.sh"

# name, version, sha256 of the registry's archive
LODASH_VERSION=4.18.1
LODASH_SHA=696942c2a488c9d7428e9ca5f12ccf03b52de01dcdbfe4d4751d392f0491ae16
DAYJS_VERSION=1.11.23
DAYJS_SHA=7da0ff55ddb6d4050b91ea0a11a8e9d92c048305155039387373f20be080e594

DAYJS_PLUGINS="utc customParseFormat advancedFormat localizedFormat duration relativeTime
	isBetween isSameOrBefore isSameOrAfter isoWeek weekOfYear weekYear dayOfYear quarterOfYear minMax"
DAYJS_LOCALES="pt-br es"

mode=${1:-compare}
for package in "lodash $LODASH_VERSION $LODASH_SHA" "dayjs $DAYJS_VERSION $DAYJS_SHA"; do
	set -- $package
	[ -e "$work/$1-$2.tgz" ] || (cd "$work" && npm pack --silent "$1@$2" >/dev/null)
	check "$work/$1-$2.tgz" "$3"
	rm -rf "$work/$1" && mkdir "$work/$1"
	tar xzf "$work/$1-$2.tgz" -C "$work/$1" --strip-components=1
done

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
prelude
bytecode prelude lodash dayjs
link javascript.wasm -Wl,--strip-all
compare javascript.wasm "$mode"
