package run

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
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
	r := newRecorder(s, slog.New(slog.DiscardHandler))
	const runs = 300
	for i := range runs {
		r.add(&journey{
			runner: &Runner{config: Config{Now: time.Now}}, session: done(),
			event:  map[string]any{"body": strings.Repeat("x", 10<<10)},
			record: Record{ID: fmt.Sprintf("run-%03d", i)},
		})
	}
	r.close()
	if n := r.dropped.Load(); n != 0 {
		t.Errorf("%d records were dropped", n)
	}
	records, err := s.List(t.Context(), KindRecord, "", 2*runs, false)
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

// done is a session that has ended.
func done() session {
	return session{Session: engine.Session{Run: &engine.Run{Status: engine.Done}}}
}

// TestRecordsAreDroppedUnderLoad: more than waits at once is counted, and
// nobody waits for it.
func TestRecordsAreDroppedUnderLoad(t *testing.T) {
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := newRecorder(s, slog.New(slog.DiscardHandler))
	const runs = 3 * recordQueue
	for i := range runs {
		r.add(&journey{runner: &Runner{config: Config{Now: time.Now}}, session: done(), record: Record{ID: fmt.Sprintf("run-%05d", i)}})
	}
	dropped := r.dropped.Load()
	r.close()
	records, err := s.List(t.Context(), KindRecord, "", 2*runs, false)
	if err != nil {
		t.Fatal(err)
	}
	if dropped == 0 || int64(len(records)) != runs-dropped {
		t.Errorf("%d records and %d dropped of %d", len(records), dropped, runs)
	}
}
