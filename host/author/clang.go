package author

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func c() Language {
	return Language{
		Name: "c", Title: "C", Needs: clangTool.name + " (" + clangTool.get + ")",
		Main: "plugin.c", PDK: "trama.h", Marker: []string{"plugin.c", "plugin.cc"},
		templates: "c/template",
		copies:    []copied{{from: "c/trama.h", to: "trama.h"}},
		compile:   compileC,
		beyond:    beyondC,
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

// clangFlags are those of every file, and linkFlags make a module of them that
// stands alone. Paths stay relative, as messages of panics have them.
var (
	clangFlags = []string{"--target=wasm32", "-O2", "-ffreestanding", "-mbulk-memory", "-Wall", "-Wextra", "-I."}
	linkFlags  = []string{"--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-Wl,-z,stack-size=65536"}
)

var (
	flagsC        = []string{"-std=c11"}
	flagsCPlus    = []string{"-std=c++17", "-x", "c++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"}
	languageFlags = map[string][]string{".c": flagsC, ".cc": flagsCPlus, ".cpp": flagsCPlus}
)

// sourcesC lists the files to compile: those of the project's directory and all
// below src.
func sourcesC(dir string) (sources []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && name != "src" && !strings.HasPrefix(name, "src/"):
			return fs.SkipDir
		case !entry.IsDir() && languageFlags[path.Ext(name)] != nil:
			sources = append(sources, filepath.FromSlash(name))
		}
		return nil
	})
	return sources, err
}

func compileC(j *job) error {
	sources, err := sourcesC(j.dir)
	if err != nil {
		return err
	}
	if slices.Contains(sources, "plugin.c") && slices.Contains(sources, "plugin.cc") {
		return errors.New("this project has plugin.c and plugin.cc; keep one of them")
	}
	clang, err := j.tool(clangTool)
	if err != nil {
		return err
	}
	_, linking := wasmLinker(j, clang)
	debug := []string{"-g"}
	if !j.debug {
		debug, linking = nil, append(linking, "-Wl,--strip-debug") // which leaves the names of functions
	}
	var objects []string
	for i, source := range sources {
		object := filepath.Join(j.work, strconv.Itoa(i)+".o") // two files may have one name
		if err := j.run(nil, clang, slices.Concat(languageFlags[filepath.Ext(source)], clangFlags, debug, []string{"-c", "-o", object, source})...); err != nil {
			return err
		}
		objects = append(objects, object)
	}
	return j.run(nil, clang, slices.Concat(linkFlags, linking, []string{"-o", j.out}, objects)...)
}

// beyondC asks the compiler which files each source includes, those of the
// system left out.
func beyondC(j *job) (files []string, err error) {
	clang, err := j.tool(clangTool)
	if err != nil {
		return nil, err
	}
	sources, err := sourcesC(j.dir)
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		// A header that is missing is told by the build, and hides no other.
		rule := j.ask(clang, slices.Concat(languageFlags[filepath.Ext(source)], clangFlags, []string{"-MM", "-MG", source})...)
		_, included, _ := strings.Cut(strings.ReplaceAll(rule, "\\\n", " "), ":")
		for _, name := range prerequisites(included) {
			if !filepath.IsAbs(name) {
				name = filepath.Join(j.dir, name)
			}
			files = append(files, filepath.Clean(name))
		}
	}
	return files, nil
}
