package author

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func zig() Language {
	return Language{
		Name: "zig", Title: "Zig", Needs: zigTool.name + " (" + zigTool.get + ")",
		Main: "plugin.zig", PDK: "trama.zig", Marker: []string{"plugin.zig"},
		templates: "zig/template",
		copies:    []copied{{from: "zig/trama.zig", to: "trama.zig"}},
		compile:   compileZig,
	}
}

// zigVersion is what trama.zig is written for: each minor version breaks the
// language and its library.
const zigVersion = "0.17."

var zigTool = tool{
	name:   "zig 0.17",
	names:  []string{"zig", "python3", "python"}, // the Python package ziglang has a zig too
	accept: func(j *job, program string) string { return refusal(j, program, zigVersion) },
	get:    `pip install "ziglang==0.17.*", or your system's package`,
}

// anyZig is the same of another version, which may do.
var anyZig = tool{
	name: zigTool.name, names: zigTool.names, get: zigTool.get,
	accept: func(j *job, program string) string { return refusal(j, program, "") },
}

// zigCommand is a zig as a program and its first arguments.
func zigCommand(program string) []string {
	if strings.HasPrefix(filepath.Base(program), "python") {
		return []string{program, "-m", "ziglang"}
	}
	return []string{program}
}

// refusal says why a program is no zig of a version.
func refusal(j *job, program, version string) string {
	command := zigCommand(program)
	switch found := j.ask(command[0], append(command[1:], "version")...); {
	case found == "" && len(command) > 1:
		return "has no package ziglang"
	case found == "":
		return "does not start"
	case !strings.HasPrefix(found, version):
		return "is zig " + found
	}
	return ""
}

func compileZig(j *job) error {
	program, err := j.tool(zigTool)
	other := ""
	if _, missing := errors.AsType[*MissingTool](err); missing {
		var anyErr error
		if program, anyErr = j.tool(anyZig); anyErr != nil {
			return err
		}
		command := zigCommand(program)
		other = j.ask(command[0], append(command[1:], "version")...)
	} else if err != nil {
		return err
	}
	caches := j.env("XDG_CACHE_HOME")
	if home := j.env("HOME"); caches == "" && home != "" {
		caches = filepath.Join(home, ".cache")
	}
	if caches == "" {
		caches = j.work
	}
	// Code that trama has compiled is kept there too, and only where nobody else
	// can put any.
	if err := os.MkdirAll(filepath.Join(caches, "trama"), 0o700); err != nil {
		return err
	}
	command := append(zigCommand(program),
		"build-exe", "plugin.zig", "-target", "wasm32-freestanding",
		"-O", "ReleaseSafe", // an index out of range ends with its message
		"-fno-entry", "-rdynamic", "--stack", "65536", "--color", "off",
		"--cache-dir", filepath.Join(j.dir, "build", ".zig-cache"), "--global-cache-dir", filepath.Join(caches, "trama", "zig"),
		"-femit-bin="+j.out)
	err = j.run(nil, command[0], command[1:]...)
	if _, failed := errors.AsType[*Failed](err); failed && other != "" {
		fmt.Fprintf(j.output, "trama.zig is for Zig 0.17; this is Zig %s\n", other)
	}
	return err
}
