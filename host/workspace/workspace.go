// Package workspace reads the directory by which an operator configures an
// installation: trama.yaml, flows/*.yaml, routes.yaml, channels.yaml,
// connections.yaml, grants.yaml, alerts.yaml, subscriptions.yaml and
// gateway.yaml.
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
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// Names of a workspace's files. Flows are in the directory flows.
const (
	fileSettings = "trama.yaml"
	dirFlows     = "flows"
)

// Settings are the process's own: the file trama.yaml.
type Settings struct {
	At source.Place `json:"-"`
	// Addr and AdminAddr are what the two listeners bind to.
	Addr      string `json:"addr,omitempty"`
	AdminAddr string `json:"admin_addr,omitempty"`
	// PublicURL is how others reach the public listener, without a slash at its
	// end: what is told to services that send webhooks or fetch media. Empty: it
	// is not known.
	PublicURL string `json:"public_url,omitempty"`
	// TLS and AdminTLS make the listeners speak TLS. The files are read again
	// when they change.
	TLS      TLS `json:"tls,omitzero"`
	AdminTLS TLS `json:"admin_tls,omitzero"`
	// TrustedProxies are the addresses and networks of the proxies in front of
	// the public listener: what they say of who calls is believed, and nobody
	// else's word is.
	TrustedProxies []access.Network `json:"trusted_proxies,omitempty"`
	// DrainDelay is how long a host that was told to stop goes on as before,
	// while /readyz says so to balancers.
	DrainDelay flow.Duration `json:"drain_delay,omitempty"`
	// Data is the directory of the store, relative to the workspace.
	Data string `json:"data,omitempty"`
	// Cache is the directory of compiled plugins; it may be shared by
	// workspaces of one user and be deleted while nothing runs.
	Cache string `json:"cache,omitempty"`
	// Plugins are the directories of plugins, relative to the workspace; of
	// two plugins with one name, the earlier directory's is used.
	Plugins []string `json:"plugins,omitempty"`
	// TrustedKeys are those whose signatures grants may name.
	TrustedKeys TrustedKeys `json:"trusted_keys,omitempty"`
	// Secrets is a directory with one file for each secret.
	Secrets  string   `json:"secrets,omitempty"`
	Webhooks Webhooks `json:"webhooks,omitzero"`
	// Media says what is kept of the media in messages.
	Media Media `json:"media,omitzero"`
	// Env is what flows see as "env".
	Env map[string]any `json:"env,omitempty"`
	// Audit says how long it is kept who changed what.
	Audit Audit `json:"audit,omitzero"`
	// CallLog says what is kept of calls in and out; Otel where traces go.
	CallLog CallLog `json:"call_log,omitzero"`
	Otel    Otel    `json:"otel,omitzero"`
}

// TLS names the files of a certificate with its chain and of its key, in PEM,
// relative to the workspace.
type TLS struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Audit are the settings of the audit log.
type Audit struct {
	Days int `json:"days,omitempty"` // 0: the default, a year
}

// For gives how long entries are kept; 0: the default.
func (a Audit) For() time.Duration { return time.Duration(max(a.Days, 0)) * 24 * time.Hour }

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
	if problems := append(s.checkWatching(), s.checkPublic()...); len(problems) > 0 {
		return s, problems
	}
	s.Addr = defaultTo(s.Addr, DefaultAddr)
	s.AdminAddr = defaultTo(s.AdminAddr, DefaultAdminAddr)
	for name, t := range map[string]*TLS{"tls": &s.TLS, "admin_tls": &s.AdminTLS} {
		if (t.Cert == "") != (t.Key == "") {
			return s, source.Problems{{Place: s.At, Message: name + " needs both cert and key", Hint: name + ": {cert: server.pem, key: server.key}"}}
		}
		if t.Cert != "" {
			t.Cert, t.Key = within(dir, t.Cert), within(dir, t.Key)
		}
	}
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
	for _, name := range append(listFiles(), dirFlows+"/*.yaml", dirFlows+"/*.yml", dirFlows+"/*.json") {
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
	if path.Dir(name) == dirFlows {
		f, err := flow.Parse(name, data)
		if problems, ok := errors.AsType[source.Problems](err); ok {
			return problems
		}
		if err != nil {
			return source.Problems{{Place: source.Place{File: name}, Message: err.Error()}}
		}
		set.Flows = append(set.Flows, f)
		return nil
	}
	for _, k := range catalog.Kinds() {
		if k.File == name {
			return k.Read(set, name, data)
		}
	}
	return source.Problems{{Place: source.Place{File: name}, Message: "is not a file of a workspace", Hint: "a workspace has flows/*.yaml, " + strings.Join(listFiles(), ", ")}}
}

// listFiles names the files that are lists of objects.
func listFiles() (names []string) {
	for _, k := range catalog.Kinds() {
		if k.File != "" {
			names = append(names, k.File)
		}
	}
	return names
}
