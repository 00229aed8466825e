package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/trama-run/trama/host/source"
)

// TestParse runs testdata/*.txtar: the files of a workspace, and in "want"
// either its objects or all of its problems, one a line.
func TestParse(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) < 6 {
		t.Fatalf("found %d cases (%v), want at least 6", len(cases), err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files, want := Files{}, ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				files[f.Name] = f.Data
			}
			if want == "" {
				t.Fatal("the case says nothing about what it wants")
			}
			set, problems := Parse(files)
			var got strings.Builder
			for _, f := range set.Flows {
				got.WriteString("flow " + f.ID + " " + f.At.String() + "\n")
			}
			for _, r := range set.Routes {
				got.WriteString("route " + r.Name() + " -> " + r.Flow + " " + r.At.String() + "\n")
			}
			for _, c := range set.Channels {
				got.WriteString("channel " + c.ID + " " + c.At.String() + "\n")
			}
			for _, c := range set.Connections {
				got.WriteString("connection " + c.ID + " " + c.BaseURL + " " + c.At.String() + "\n")
			}
			for _, g := range set.Grants {
				got.WriteString("grant " + g.Name() + " " + g.At.String() + "\n")
			}
			for _, a := range set.Alerts {
				got.WriteString("alert " + a.ID + " " + a.At.String() + "\n")
			}
			for _, p := range problems {
				got.WriteString(p.Error() + "\n")
			}
			for _, name := range set.Broken {
				got.WriteString("broken " + name + "\n")
			}
			if got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func TestReadSettings(t *testing.T) {
	dir := t.TempDir()
	s, err := ReadSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != DefaultAddr || s.AdminAddr != DefaultAdminAddr || s.Data != filepath.Join(dir, "data") ||
		s.Cache != filepath.Join(dir, "data", "cache") || len(s.Plugins) != 1 || s.Plugins[0] != filepath.Join(dir, "plugins") {
		t.Errorf("defaults: %+v", s)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "trama.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("addr: 127.0.0.1:9\ntrusted_proxies: [10.0.0.0/8, \"::1\"]\ndata: /var/lib/trama\nplugins: [plugins, ../shared]\nenv: {CURRENCY: BRL, LIMIT: 9007199254740993}\n")
	if s, err = ReadSettings(dir); err != nil {
		t.Fatal(err)
	}
	if len(s.TrustedProxies) != 2 || s.TrustedProxies[0].String() != "10.0.0.0/8" || s.TrustedProxies[1].String() != "::1" {
		t.Errorf("trusted proxies: %v", s.TrustedProxies)
	}
	if s.Addr != "127.0.0.1:9" || s.Data != "/var/lib/trama" || s.Plugins[1] != filepath.Join(filepath.Dir(dir), "shared") {
		t.Errorf("settings: %+v", s)
	}
	if s.Env["CURRENCY"] != "BRL" || s.Env["LIMIT"] != int64(9007199254740993) {
		t.Errorf("env: %v", s.Env)
	}
	write("tls: {cert: tls/server.pem, key: /etc/server.key}\ndrain_delay: 5s\n")
	if s, err = ReadSettings(dir); err != nil || s.TLS != (TLS{filepath.Join(dir, "tls", "server.pem"), "/etc/server.key"}) || s.AdminTLS != (TLS{}) || time.Duration(s.DrainDelay) != 5*time.Second {
		t.Errorf("TLS: %+v, %v", s, err)
	}
	write("admin_tls: {cert: server.pem}\n")
	if _, err := ReadSettings(dir); err == nil || !strings.Contains(err.Error(), "admin_tls needs both") {
		t.Errorf("half of admin_tls: %v", err)
	}
	write("adr: 127.0.0.1:9\n")
	_, err = ReadSettings(dir)
	problems, ok := err.(source.Problems)
	if !ok || len(problems) != 1 || problems[0].Line != 1 || !strings.Contains(problems[0].Error(), "addr") {
		t.Errorf("a misspelt setting: %v, want its place and the right name", err)
	}
	if _, err := ReadSettings(filepath.Join(dir, "nowhere")); err == nil || !strings.Contains(err.Error(), "no such directory") {
		t.Errorf("a workspace that is not there: %v", err)
	}
}

// TestSettingsOfARelativeDirectory: paths are the workspace's, also where they
// begin like its own.
func TestSettingsOfARelativeDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("data", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, data, cache, plugins string }{
		{"data: data/store\nplugins: [data/plugins]\n", "data/data/store", "data/data/store/cache", "data/data/plugins"},
		{"cache: data/cache\n", "data/data", "data/data/cache", "data/plugins"},
		{"cache: /var/cache\n", "data/data", "/var/cache", "data/plugins"},
		{"data: /var/lib\n", "/var/lib", "/var/lib/cache", "data/plugins"},
	} {
		if err := os.WriteFile("data/trama.yaml", []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSettings("data")
		if err != nil {
			t.Fatal(err)
		}
		if s.Data != c.data || s.Cache != c.cache || s.Plugins[0] != c.plugins {
			t.Errorf("%q: data %s, cache %s, plugins %s; want %s, %s, %s", c.text, s.Data, s.Cache, s.Plugins[0], c.data, c.cache, c.plugins)
		}
	}
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"routes.yaml": "[]", "flows/a.yaml": "a", "flows/b.json": "{}", "flows/notes.txt": "x", "other.yaml": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := ReadFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 || string(files["routes.yaml"]) != "[]" || string(files["flows/a.yaml"]) != "a" || string(files["flows/b.json"]) != "{}" {
		t.Errorf("files: %q", files)
	}
}
