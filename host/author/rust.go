package author

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func rust() Language {
	return Language{
		Name: "rust", Title: "Rust", Needs: cargoTool().name + " (" + cargoTool().get + ")",
		Main: "src/lib.rs", PDK: "trama-pdk/", Marker: []string{"Cargo.toml"},
		templates: "rust/template",
		copies: []copied{
			{from: "rust/Cargo.toml", to: "trama-pdk/Cargo.toml"},
			{from: "rust/README.md", to: "trama-pdk/README.md"},
			{from: "rust/src", to: "trama-pdk/src"},
		},
		ignore:  []string{"/target/"},
		compile: compileRust,
		beyond:  beyondRust,
	}
}

// rustTargets are those that a plugin can be built for, the smallest results
// first.
var rustTargets = []string{"wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasi"}

// cargoTool is a cargo with its rustc beside it: those of two releases don't
// understand each other.
func cargoTool() tool {
	return tool{
		name:   "cargo and rustc 1.63 or later with the target " + rustTargets[0],
		names:  []string{"cargo", "/usr/bin/cargo", "/usr/local/bin/cargo", "~/.cargo/bin/cargo", "~/.rustup/toolchains/*/bin/cargo"},
		accept: acceptCargo,
		get:    "rustup target add " + rustTargets[0] + " (rustup.rs), or on Debian: apt-get install cargo libstd-rust-dev-wasm32 lld-14",
	}
}

func rustcOf(cargo string) string { return filepath.Join(filepath.Dir(cargo), "rustc") }

func acceptCargo(j *job, cargo string) string {
	rustc := rustcOf(cargo)
	if _, err := os.Stat(rustc); err != nil {
		return "has no rustc beside it"
	}
	version := rustVersion(j, rustc)
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return "has a rustc that does not start: rustc --version gives no version"
	}
	if major == 1 && minor < 63 {
		return fmt.Sprintf("(rustc %s) is older than 1.63", version)
	}
	if rustTarget(j, rustc) == "" {
		return fmt.Sprintf("(rustc %s) lacks the target %s (rustup target add %[2]s)", version, rustTargets[0])
	}
	return ""
}

func rustVersion(j *job, rustc string) string {
	words := strings.Fields(j.ask(rustc, "--version"))
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// rustTarget gives the first target whose standard library is there, or "".
func rustTarget(j *job, rustc string) string {
	for _, target := range rustTargets {
		libraries := j.ask(rustc, "--target", target, "--print", "target-libdir")
		if libraries == "" {
			continue
		}
		entries, _ := os.ReadDir(libraries) // a directory that is not there has none
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "libcore-") && strings.HasSuffix(e.Name(), ".rlib") {
				return target
			}
		}
	}
	return ""
}

func compileRust(j *job) error {
	cargo, err := j.tool(cargoTool())
	if err != nil {
		return err
	}
	rustc := rustcOf(cargo)
	target := rustTarget(j, rustc)
	env := []string{
		"RUSTC=" + rustc,
		// Panics carry paths of the project, not of the machine.
		"CARGO_ENCODED_RUSTFLAGS=--remap-path-prefix=" + j.dir + "=.",
		"CARGO_TARGET_DIR=" + filepath.Join(j.dir, "target"),
	}
	if j.debug {
		env = append(env, "CARGO_PROFILE_RELEASE_DEBUG=1", "CARGO_PROFILE_RELEASE_STRIP=none")
	}
	if err := j.run(env, cargo, "build", "--release", "--target", target, "--lib"); err != nil {
		return err
	}
	module := filepath.Join(j.dir, "target", target, "release", "plugin.wasm")
	data, err := os.ReadFile(module)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf(`cargo made no target/%s/release/plugin.wasm: want [lib] with name = "plugin" and crate-type = ["cdylib"] in Cargo.toml`, target)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(j.out, data, 0o644)
}

// beyondRust reads what cargo notes beside the module: the files of the project
// and of the packages that it has by their paths, and what these include.
func beyondRust(j *job) (files []string, err error) {
	for _, target := range rustTargets {
		data, err := os.ReadFile(filepath.Join(j.dir, "target", target, "release", "plugin.d"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, name := range prerequisites(string(data)) {
			name = strings.TrimSuffix(name, ":")
			files = append(files, name, filepath.Join(filepath.Dir(filepath.Dir(name)), "Cargo.toml"))
		}
	}
	return files, nil
}
