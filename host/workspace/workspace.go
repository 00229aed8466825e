// Package workspace reads the directory by which an operator configures an
// installation: trama.yaml, flows/*.yaml, routes.yaml, channels.yaml,
// connections.yaml, grants.yaml and alerts.yaml.
//
// Everything wrong is reported at once, each with file, line and remedy. The
// package only reads: what is found is applied by the catalog. It must not
// know servers, stores or plugins' code.
package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// Names of a workspace's files. Flows are in the directory flows.
const (
	fileSettings    = "trama.yaml"
	fileRoutes      = "routes.yaml"
	fileChannels    = "channels.yaml"
	fileConnections = "connections.yaml"
	fileGrants      = "grants.yaml"
	fileAlerts      = "alerts.yaml"
	dirFlows        = "flows"
)

// Settings are the process's own: the file trama.yaml.
type Settings struct {
	At source.Place `json:"-"`
	// Addr and AdminAddr are what the two listeners bind to.
	Addr      string `json:"addr,omitempty"`
	AdminAddr string `json:"admin_addr,omitempty"`
	// Data is the directory of the store, relative to the workspace.
	Data string `json:"data,omitempty"`
	// Cache is the directory of compiled plugins; it may be shared by
	// workspaces of one user and be deleted while nothing runs.
	Cache string `json:"cache,omitempty"`
	// Plugins are the directories of plugins, relative to the workspace; of
	// two plugins with one name, the earlier directory's is used.
	Plugins []string `json:"plugins,omitempty"`
	// Secrets is a directory with one file for each secret.
	Secrets string `json:"secrets,omitempty"`
	// Env is what flows see as "env".
	Env map[string]any `json:"env,omitempty"`
}

// Defaults of the settings.
const (
	DefaultAddr      = "127.0.0.1:8080"
	DefaultAdminAddr = "127.0.0.1:8081"
)

// ReadSettings reads trama.yaml, which may be absent, and fills in the
// defaults. Relative paths are resolved against dir.
func ReadSettings(dir string) (Settings, error) {
	s, dir := Settings{}, filepath.Clean(dir)
	data, err := os.ReadFile(filepath.Join(dir, fileSettings))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return s, fmt.Errorf("workspace %s: no such directory", dir)
		}
	case err != nil:
		return s, fmt.Errorf("workspace: %w", err)
	default:
		if problems := source.Decode(fileSettings, data, &s); len(problems) > 0 {
			return s, problems
		}
	}
	s.Addr = defaultTo(s.Addr, DefaultAddr)
	s.AdminAddr = defaultTo(s.AdminAddr, DefaultAdminAddr)
	s.Data = within(dir, defaultTo(s.Data, "data"))
	if s.Cache == "" {
		s.Cache = filepath.Join(s.Data, "cache")
	} else {
		s.Cache = within(dir, s.Cache)
	}
	if s.Secrets != "" {
		s.Secrets = within(dir, s.Secrets)
	}
	if len(s.Plugins) == 0 {
		s.Plugins = []string{"plugins"}
	}
	for i := range s.Plugins {
		s.Plugins[i] = within(dir, s.Plugins[i])
	}
	return s, nil
}

func defaultTo(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

// within resolves a path of the settings: an absolute one stays.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// Files are the contents of a workspace's object files, by path with slashes.
type Files map[string][]byte

// ReadFiles reads the object files of a directory.
func ReadFiles(dir string) (Files, error) {
	files := Files{}
	for _, pattern := range Patterns(dir) {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("workspace: %w", err)
		}
		for _, p := range paths {
			if IsCases(p) {
				continue
			}
			info, err := os.Stat(p)
			if err != nil {
				return nil, fmt.Errorf("workspace: %w", err)
			}
			if !info.Mode().IsRegular() { // a pipe would be read for ever
				return nil, fmt.Errorf("workspace: %s is not a regular file", p)
			}
			data, err := os.ReadFile(p)
			if err != nil {
				return nil, fmt.Errorf("workspace: %w", err)
			}
			name, err := filepath.Rel(dir, p)
			if err != nil {
				return nil, fmt.Errorf("workspace: %w", err)
			}
			files[filepath.ToSlash(name)] = data
		}
	}
	return files, nil
}

// CasesSuffix ends the names of files with test cases, which stand beside the
// flows that they try: welcome.test.yaml beside welcome.yaml.
const CasesSuffix = ".test.yaml"

// IsCases says whether a file has test cases: it is no object of the workspace.
func IsCases(path string) bool { return strings.HasSuffix(path, CasesSuffix) }

// Patterns lists the globs of the object files in a directory.
func Patterns(dir string) []string {
	patterns := []string{}
	for _, name := range []string{fileRoutes, fileChannels, fileConnections, fileGrants, fileAlerts, dirFlows + "/*.yaml", dirFlows + "/*.yml", dirFlows + "/*.json"} {
		patterns = append(patterns, filepath.Join(dir, name))
	}
	return patterns
}

// Parse makes objects of files. A file with a problem gives no objects and is
// named in Set.Broken.
func Parse(files Files) (catalog.Set, source.Problems) {
	var set catalog.Set
	var all source.Problems
	for _, name := range sortedNames(files) {
		if problems := parseFile(&set, name, files[name]); len(problems) > 0 {
			all = append(all, problems...)
			set.Broken = append(set.Broken, name)
		}
	}
	return set, all
}

func sortedNames(files Files) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func parseFile(set *catalog.Set, name string, data []byte) source.Problems {
	switch {
	case path.Dir(name) == dirFlows:
		f, err := flow.Parse(name, data)
		if problems, ok := errors.AsType[source.Problems](err); ok {
			return problems
		}
		if err != nil {
			return source.Problems{{Place: source.Place{File: name}, Message: err.Error()}}
		}
		set.Flows = append(set.Flows, f)
		return nil
	case name == fileRoutes:
		return list(&set.Routes, name, data, catalog.Route.Check, func(r catalog.Route) source.Place { return r.At })
	case name == fileChannels:
		return list(&set.Channels, name, data, catalog.Channel.Check, func(c catalog.Channel) source.Place { return c.At })
	case name == fileConnections:
		return list(&set.Connections, name, data, catalog.Connection.Check, func(c catalog.Connection) source.Place { return c.At })
	case name == fileGrants:
		return list(&set.Grants, name, data, catalog.Grant.Check, func(g catalog.Grant) source.Place { return g.At })
	case name == fileAlerts:
		return list(&set.Alerts, name, data, catalog.Alert.Check, func(a catalog.Alert) source.Place { return a.At })
	}
	return source.Problems{{Place: source.Place{File: name}, Message: "is not a file of a workspace", Hint: "a workspace has flows/*.yaml, routes.yaml, channels.yaml, connections.yaml, grants.yaml and alerts.yaml"}}
}

// list reads a file that is a list of objects, and adds them if all are good.
func list[T any](into *[]T, name string, data []byte, check func(T) source.Problems, at func(T) source.Place) source.Problems {
	var items []T
	problems := source.Decode(name, data, &items)
	unreadable := map[int]bool{} // lines; what stands there was reported
	for _, p := range problems {
		unreadable[p.Line] = true
	}
	for _, item := range items {
		if !unreadable[at(item).Line] {
			problems = append(problems, check(item)...)
		}
	}
	if len(problems) == 0 {
		*into = append(*into, items...)
	}
	problems.Sort()
	return problems
}
