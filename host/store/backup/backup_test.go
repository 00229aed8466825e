package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/store/snapshot"
)

// installation makes a data directory with a store and files, and backs it up.
func installation(t *testing.T) (data string, backup []byte) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	for name, content := range map[string]string{
		"plugins/abc.wasm": strings.Repeat("wasm", 700_000), "plugins/abc.json": "{}", "plugins/empty": "", "plugins/sub/deep": "d", "plugins/.new-1": "half",
		"vault/key": "32 bytes", "vault/token": "sealed", "admin.token": "secret", "cache/code/x": "machine code",
	} {
		path := filepath.Join(data, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := badger.Open(badger.Config{Dir: filepath.Join(data, "store")})
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Tx: "t", Append: []store.Append{{Queue: "q", Value: []byte("item"), Mark: "m", MarkTTL: 20 * time.Minute}}}
	for i := range 50 {
		b.Put = append(b.Put, store.Put{ID: store.ID{Kind: "session", Key: fmt.Sprint(i)}, Value: []byte("state")})
	}
	if _, err := s.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	stream := Stream(context.Background(), s, data, slog.New(slog.DiscardHandler))
	backup, err = io.ReadAll(stream)
	if err := errors.Join(err, stream.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return data, backup
}

// tree lists the files below a directory with their contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRestore(t *testing.T) {
	data, backup := installation(t)
	for _, there := range []bool{false, true} { // the directory
		restored := filepath.Join(t.TempDir(), "restored")
		if there {
			if err := os.Mkdir(restored, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := Restore(context.Background(), bytes.NewReader(backup), restored); err != nil {
			t.Fatal(err)
		}
		got, want := tree(t, restored), tree(t, data)
		for name := range want {
			if in := strings.HasPrefix(name, "plugins/") || strings.HasPrefix(name, "vault/"); in && name != "plugins/.new-1" && got[name] != want[name] {
				t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(want[name]))
			}
		}
		for name := range got {
			if !strings.HasPrefix(name, "store/") && (want[name] == "" && name != "plugins/empty" || name == "admin.token" || strings.Contains(name, "/.")) {
				t.Errorf("%s should not be there", name)
			}
		}
		if info, err := os.Stat(filepath.Join(restored, "vault", "key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key: %v, %v", info, err)
		}
		s, err := badger.Open(badger.Config{Dir: filepath.Join(restored, "store")})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Load(context.Background(), store.ID{Kind: "session", Key: "7"})
		if err := errors.Join(err, s.Close()); err != nil || string(r.Value) != "state" {
			t.Fatalf("%q, %v", r.Value, err)
		}
		err = Restore(context.Background(), bytes.NewReader(backup), restored)
		if err == nil || !strings.Contains(err.Error(), "is not empty") {
			t.Fatalf("into a full directory: %v", err)
		}
	}
}

// TestRefused: nothing is left of a backup that is not whole.
func TestRefused(t *testing.T) {
	_, backup := installation(t)
	middle := bytes.LastIndex(backup, []byte("trama snapshot")) // the files begin
	evil := func(kind, name string) []byte {
		var b bytes.Buffer
		w := snapshot.NewWriter(&b, 0, time.Now())
		if err := errors.Join(w.Put(snapshot.Entry{Section: snapshot.Files, Kind: kind, Name: name, Value: []byte("x")}), w.Close()); err != nil {
			t.Fatal(err)
		}
		return slices.Concat(backup[:middle], b.Bytes())
	}
	flip := func(at int) []byte {
		bad := slices.Clone(backup)
		bad[at] ^= 4
		return bad
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "no files": backup[:middle], "cut in the store": backup[:middle/2], "cut in the files": backup[:middle+1000],
		"without its last byte": backup[:len(backup)-1], "goes on": append(slices.Clone(backup), 0),
		"store changed": flip(middle / 2), "files changed": flip(middle + 1000), "end changed": flip(len(backup) - 1),
		"outside": evil("plugins", "../../x"), "absolute": evil("vault", "/etc/x"), "another directory": evil("cache", "x"), "the store's": evil("store", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Restore(context.Background(), bytes.NewReader(bad), filepath.Join(dir, "data")); !errors.Is(err, snapshot.ErrDamaged) {
				t.Fatalf("restore: %v", err)
			}
			if left := tree(t, dir); len(left) != 0 {
				t.Fatalf("left: %v", left)
			}
			if err := Restore(context.Background(), bytes.NewReader(backup), filepath.Join(dir, "data")); err != nil {
				t.Fatalf("the good one afterwards: %v", err)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	_, backup := installation(t)
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	report, err := Verify(context.Background(), file, temp)
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, k := range report.Kinds {
		lines += fmt.Sprintf("%s %s %d %v, ", k.Section, k.Kind, k.Count, k.Same)
	}
	// The mark ends within the time of a verification.
	if want := "records session 50 true, items  1 true, transactions  1 true, files plugins 6 true, files vault 2 true, "; !report.Same || lines != want {
		t.Fatalf("same %v: %s\nwant %s", report.Same, lines, want)
	}
	if left := tree(t, temp); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
	if err := os.Truncate(file, int64(len(backup)/2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(context.Background(), file, temp); !errors.Is(err, snapshot.ErrDamaged) {
		t.Fatalf("half of it: %v", err)
	}
}

// TestCompare: each way in which a restored host can differ is told.
func TestCompare(t *testing.T) {
	a := snapshot.Sum{Section: "records", Kind: "a", Count: 1, SHA256: "x"}
	b := snapshot.Sum{Section: "records", Kind: "b", Count: 1, SHA256: "y"}
	changed := a
	changed.SHA256 = "z"
	for name, c := range map[string]struct {
		written, restored snapshot.Summary
		same              bool
	}{
		"same":     {snapshot.Summary{Sequence: 1, Sums: []snapshot.Sum{a, b}}, snapshot.Summary{Sequence: 1, Sums: []snapshot.Sum{a, b}}, true},
		"sequence": {snapshot.Summary{Sequence: 1}, snapshot.Summary{Sequence: 2}, false},
		"lost":     {snapshot.Summary{Sums: []snapshot.Sum{a, b}}, snapshot.Summary{Sums: []snapshot.Sum{b}}, false},
		"more":     {snapshot.Summary{Sums: []snapshot.Sum{a}}, snapshot.Summary{Sums: []snapshot.Sum{a, b}}, false},
		"changed":  {snapshot.Summary{Sums: []snapshot.Sum{a}}, snapshot.Summary{Sums: []snapshot.Sum{changed}}, false},
	} {
		if got := compare(c.written, c.restored); got.Same != c.same {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestStreamEnds: the end of the context ends a stream that nobody reads.
func TestStreamEnds(t *testing.T) {
	data, _ := installation(t)
	s, err := badger.Open(badger.Config{Dir: filepath.Join(data, "store")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream := Stream(ctx, s, data, slog.New(slog.DiscardHandler))
	if _, err := stream.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); err != nil { // waits for the backup
		t.Fatal(err)
	}
	if _, err := io.ReadAll(stream); !errors.Is(err, context.Canceled) {
		t.Fatalf("the rest: %v", err)
	}
}
