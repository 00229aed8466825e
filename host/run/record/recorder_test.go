package record

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/store/badger"
)

// TestRecordsShareCommits: records go into the store's log together, and none
// is so much in one commit that it gets a file of its own.
func TestRecordsShareCommits(t *testing.T) {
	dir := t.TempDir()
	s, err := badger.Open(badger.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := NewRecorder(s, slog.New(slog.DiscardHandler))
	const runs = 300
	for i := range runs {
		r.Add(func() *Record {
			one := &Record{ID: fmt.Sprintf("run-%03d", i)}
			one.KeepEvent(map[string]any{"body": strings.Repeat("x", 10<<10)})
			return one
		})
	}
	r.Close()
	if n := r.Dropped(); n != 0 {
		t.Errorf("%d records were dropped", n)
	}
	records, err := s.List(t.Context(), Kind, "", 2*runs, false)
	if err != nil || len(records) != runs {
		t.Fatalf("%d records, %v; want %d", len(records), err, runs)
	}
	files, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 0 {
		t.Errorf("%d records have a file of their own", len(files))
	}
}

// TestRecordsAreDroppedUnderLoad: more than waits at once is counted, and
// nobody waits for it.
func TestRecordsAreDroppedUnderLoad(t *testing.T) {
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := NewRecorder(s, slog.New(slog.DiscardHandler))
	const runs = 3 * recordQueue
	for i := range runs {
		r.Add(func() *Record { return &Record{ID: fmt.Sprintf("run-%05d", i)} })
	}
	dropped := r.Dropped()
	r.Close()
	records, err := s.List(t.Context(), Kind, "", 2*runs, false)
	if err != nil {
		t.Fatal(err)
	}
	if dropped == 0 || int64(len(records)) != runs-dropped {
		t.Errorf("%d records and %d dropped of %d", len(records), dropped, runs)
	}
}
