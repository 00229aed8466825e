package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNameBelongsToWhatServes: a file that says it is a plugin that is granted,
// or of this build, takes nothing away from it, be it there first or not.
func TestNameBelongsToWhatServes(t *testing.T) {
	for name, set := range map[string]func(w *world, digest string){
		"granted": func(w *world, digest string) { w.SetGrants(grantOf(digest)) },
		"bundled": func(w *world, digest string) { w.config.Bundled = []string{digest}; w.SetGrants(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(t, "adder.yaml", []byte(sidecarText))
			w.put(t, "adder.wasm", guest(t, "json", ""))
			real := w.status(t).Digest
			set(w, real)
			w.put(t, "aaa.yaml", []byte(sidecarText))
			w.put(t, "aaa.wasm", guest(t, "json", "newcomer"))
			for _, again := range []string{"at once", "scanned again", "restarted"} {
				switch again {
				case "scanned again":
					w.scan(t)
				case "restarted":
					w = w.restart(t)
				}
				if got := w.Serving("adder"); got != real {
					t.Errorf("%s: %q serves, want %q", again, got, real)
				}
				if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
					t.Errorf("%s: call: %s, %v", again, out, err)
				}
				for _, s := range w.List() {
					isNew := filepath.Base(s.File) == "aaa.wasm"
					switch {
					case isNew && (s.State != StateBroken || !strings.Contains(s.Reason, "adder.wasm") || strings.Contains(s.Reason, "changed")):
						t.Errorf("%s: the newcomer: %+v, want broken, with the file that has its name", again, s)
					case !isNew && s.State != StateReady:
						t.Errorf("%s: %s is %s: %s", again, s.File, s.State, s.Reason)
					}
				}
			}
		})
	}
}

// TestNameOfTwoThatAreGranted: the one that serves keeps the name, over a
// restart too, though the other sorts first.
func TestNameOfTwoThatAreGranted(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	real := w.status(t).Digest
	w.SetGrants(grantOf(real))
	w.put(t, "aaa.yaml", []byte(sidecarText))
	w.put(t, "aaa.wasm", guest(t, "json", "newcomer"))
	w.SetGrants(append(grantOf(real), grantOf(w.List()[0].Digest)...))
	for range 3 {
		if got := w.Serving("adder"); got != real {
			t.Errorf("%q serves, want %q", got, real)
		}
		w = w.restart(t)
	}
	if err := os.Remove(filepath.Join(w.dir, "adder.wasm")); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	if got := w.Serving("adder"); got == real || got == "" {
		t.Errorf("its file is gone: %q serves, want the other", got)
	}
}

// TestNameTakenByAChange: a file whose new content has another's name goes on
// serving what it served.
func TestNameTakenByAChange(t *testing.T) {
	w := newWorld(t)
	other := strings.Replace(sidecarText, "name: adder", "name: other", 1)
	w.put(t, "other.yaml", []byte(other))
	w.put(t, "other.wasm", guest(t, "json", "other"))
	crm := w.status(t).Digest
	w.put(t, "zzz.yaml", []byte(sidecarText))
	w.put(t, "zzz.wasm", guest(t, "json", ""))
	real := w.List()[1].Digest
	grants := append(grantOf(real), grantOf(crm)...)
	grants[1].Plugin = "other"
	w.SetGrants(grants)
	w.put(t, "other.yaml", []byte(sidecarText))
	w.put(t, "other.wasm", guest(t, "json", "turned"))
	if got := w.Serving("adder"); got != real {
		t.Errorf("adder: %q serves, want %q", got, real)
	}
	if got := w.Serving("other"); got != crm {
		t.Errorf("other: %q serves, want its former content %q", got, crm)
	}
}
