package author

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func c() Language {
	return Language{
		Name: "c", Title: "C", Needs: clangTool.name + " (" + clangTool.get + ")",
		Main: "plugin.c", PDK: "trama.h", Marker: []string{"plugin.c", "plugin.cc"},
		templates: "c/template",
		copies:    []copied{{from: "c/trama.h", to: "trama.h"}},
		compile:   compileC,
	}
}

var clangTool = tool{
	name:   "clang with the target wasm32, and its linker wasm-ld",
	names:  []string{"clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14", "/opt/homebrew/opt/llvm/bin/clang", "/usr/local/opt/llvm/bin/clang"},
	accept: acceptClang,
	get:    "Debian, Ubuntu: apt-get install clang lld; Fedora: dnf install clang lld; Alpine: apk add clang lld; macOS: brew install llvm lld",
}

func acceptClang(j *job, clang string) string {
	if !strings.Contains(j.ask(clang, "--print-targets"), "wasm32") {
		return "has no target wasm32 (Apple's own clang is such a one)"
	}
	if linker, _ := wasmLinker(j, clang); linker == "" {
		return "has no linker wasm-ld beside it: install the package lld of the same version"
	}
	return ""
}

// wasmLinker gives the linker of a clang, or "", and what the clang must be told
// to find it, if it doesn't by itself.
func wasmLinker(j *job, clang string) (linker string, flags []string) {
	if own := j.ask(clang, "--target=wasm32", "--print-prog-name=wasm-ld"); filepath.IsAbs(own) {
		return own, nil
	}
	names := []string{"wasm-ld"}
	if _, version, ok := strings.Cut(filepath.Base(clang), "-"); ok {
		names = []string{"wasm-ld-" + version, "wasm-ld"}
	}
	if found := j.candidates(names); len(found) > 0 {
		return found[0], []string{"-fuse-ld=" + found[0]}
	}
	return "", nil
}

// clangFlags make a module that stands alone. Paths stay relative, as messages
// of panics have them.
var clangFlags = []string{
	"--target=wasm32", "-O2", "-ffreestanding", "-nostdlib", "-mbulk-memory", "-Wall", "-Wextra",
	"-Wl,--no-entry", "-Wl,-z,stack-size=65536",
}

func compileC(j *job) error {
	flags, source := []string{"-std=c11"}, "plugin.c"
	if _, err := os.Stat(filepath.Join(j.dir, "plugin.cc")); err == nil {
		if _, err := os.Stat(filepath.Join(j.dir, "plugin.c")); err == nil {
			return errors.New("this project has plugin.c and plugin.cc; keep one of them")
		}
		source = "plugin.cc"
		flags = []string{"-std=c++17", "-x", "c++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"}
	}
	clang, err := j.tool(clangTool)
	if err != nil {
		return err
	}
	_, linking := wasmLinker(j, clang)
	if j.debug {
		linking = append(linking, "-g")
	} else {
		linking = append(linking, "-Wl,--strip-debug") // which leaves the names of functions
	}
	return j.run(nil, clang, slices.Concat(flags, clangFlags, linking, []string{"-o", j.out, source})...)
}
