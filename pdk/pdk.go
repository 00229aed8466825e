// Package pdk carries what plugin authors are given: a PDK for each language,
// and the sources that a new project begins with. It is files, embedded, so
// that the binary can write a project that builds anywhere.
//
// LANG/ is a language's PDK, LANG/template/KIND/ its sources of a new project
// of that kind and LANG/template/all/ those of every kind; template/KIND/ is
// what projects of all languages have. The package must not know what is done
// with them.
package pdk

import "embed"

// Files holds the directories above, by their paths below this one.
//
//go:embed template
//go:embed go/*.go go/jsontext/*.go go/pdktest/*.go go/template abi/*.go abi/jwa/*.go
//go:embed rust/Cargo.toml rust/README.md rust/src rust/template
//go:embed c/trama.h c/template
//go:embed assemblyscript/package.json assemblyscript/README.md assemblyscript/*.ts assemblyscript/assembly assemblyscript/template
//go:embed zig/trama.zig zig/template
//go:embed js/engine/engine.wasm js/trama.js js/trama.d.ts js/template js/template-ts
var Files embed.FS
