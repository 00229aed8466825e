package plugin

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// Packed is a module that is all there is of a plugin.
type Packed struct {
	Module []byte
	// Dropped names the sections that were left out, such as ".debug_info".
	Dropped []string
	// Unsigned says that a signature was among them, since it is of another
	// content.
	Unsigned bool
}

// Pack gives a module with its manifest in it, in place of one that it has, and
// unless debug is set without what debuggers need: the names of functions stay,
// as traps show them. A nil manifest leaves that of the module. The module is
// held against the manifest as a host does.
func Pack(module []byte, manifest *abi.Manifest, debug bool) (Packed, error) {
	info, err := sandbox.Inspect(module)
	if err != nil {
		return Packed{}, err
	}
	p := Packed{Module: module}
	drop := []string{seal.Section}
	for _, s := range info.Sections {
		name, custom := strings.CutPrefix(s.Name, "custom ")
		if custom && isDebug(name) && !debug {
			p.Dropped = append(p.Dropped, name)
			drop = append(drop, name)
		}
		p.Unsigned = p.Unsigned || custom && name == seal.Section
	}
	for _, name := range drop {
		if p.Module, err = wasm.WithoutCustom(p.Module, name); err != nil {
			return Packed{}, err
		}
	}
	if manifest == nil {
		return p, nil
	}
	if err := checkAgainst(info, *manifest); err != nil {
		return Packed{}, err
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return Packed{}, err
	}
	p.Module, err = wasm.WithCustom(p.Module, abi.SectionManifest, data)
	return p, err
}

// isDebug says whether a custom section is for debuggers and linkers alone:
// DWARF, source maps, and what a linker left.
func isDebug(name string) bool {
	switch name {
	case "sourceMappingURL", "external_debug_info", "linking":
		return true
	}
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, "reloc.")
}

// ReadManifest reads a manifest that is a file of its own: JSON by its name, or
// else YAML.
func ReadManifest(path string) (abi.Manifest, error) {
	document, err := readModule(path)
	if err != nil {
		return abi.Manifest{}, err
	}
	if filepath.Ext(path) == ".json" {
		m, err := ParseManifest(document)
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return m, err
	}
	return parseSidecar(path, document)
}

// Sidecar is the path of the manifest that may stand beside a plugin's file.
func Sidecar(path string) string { return sidecar(path) }
