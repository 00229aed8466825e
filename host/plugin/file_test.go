package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWhatIsNoModuleIsNotRead: a pipe has no end, and a huge file would fill
// the memory before anybody looked at it.
func TestWhatIsNoModuleIsNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a pipe": {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"a huge file": {func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1<<40)
		}, "a module has at most"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := c.make(filepath.Join(w.dir, "odd.wasm")); err != nil {
				t.Fatal(err)
			}
			w.scan(t)
			if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, c.says) {
				t.Errorf("state %s, reason %q; want broken, %q", s.State, s.Reason, c.says)
			}
		})
	}
}
