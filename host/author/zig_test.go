package author_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trama-run/trama/host/author"
)

// TestZigCache: a build makes the directory that compiled code is kept in as the
// sandbox wants it: nobody else's to write into or to read.
func TestZigCache(t *testing.T) {
	tools, caches := t.TempDir(), t.TempDir()
	program(t, tools, "zig", `[ "$1" = version ] && echo 0.17.1 && exit
for a; do [ "$before" = --global-cache-dir ] && mkdir -p "$a"; before=$a; done
exit 1`)
	environ := []string{"PATH=" + tools + string(filepath.ListSeparator) + os.Getenv("PATH"), "XDG_CACHE_HOME=" + caches}
	_, err := author.Build{Dir: begin(t, "zig"), Files: pdks(), Environ: environ, Output: t.Output()}.Run(t.Context())
	if err == nil {
		t.Error("a zig that fails builds")
	}
	if _, err := os.Stat(filepath.Join(caches, "trama", "zig")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(caches, "trama")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}
