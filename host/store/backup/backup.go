// Package backup keeps and brings back an installation: the store's snapshot
// and what a host cannot go on without beside it, the contents of plugins that
// sessions began with and the vault of tokens. The workspace's own files, the
// admin token and caches are not in it.
//
// A backup is one stream of two snapshots, first the store's, then the files'
// (which are read later, so no content that a session has is missing). Both
// end in checksums: what was cut or changed is refused, and nothing is left of
// it. It holds the vault's key: who reads the file has the tokens.
package backup

import (
	"bufio"
	"cmp"
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
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/store/snapshot"
)

const (
	storeDir = "store" // in the data directory
	chunk    = 1 << 20 // of a file, in one entry
)

// kept are the directories of the data directory that are in a backup.
func kept() []string { return []string{"plugins", "vault"} }

// Write writes a backup of an open store and the data directory around it.
func Write(ctx context.Context, w io.Writer, s store.Store, data string) error {
	if err := s.Backup(ctx, w); err != nil {
		return err
	}
	files := snapshot.NewWriter(w, 0, time.Now())
	for _, dir := range kept() {
		if err := writeDir(ctx, files, filepath.Join(data, dir), dir); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	return files.Close()
}

// writeDir writes the files below a directory, but those in the making.
func writeDir(ctx context.Context, w *snapshot.Writer, root, kind string) error {
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile, or never made
			return nil
		}
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for at := 0; at == 0 || at < len(content); at += chunk {
			e := snapshot.Entry{Section: snapshot.Files, Kind: kind, Name: name, Number: uint64(at), Value: content[at:min(at+chunk, len(content))]}
			if err := w.Put(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stream is Write as a reader, which must be closed. The end of the context
// ends it too. An error after the first bytes is logged: whoever reads sees
// only that the stream broke off.
func Stream(ctx context.Context, s store.Store, data string, log *slog.Logger) io.ReadCloser {
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		err := Write(ctx, w, s, data)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			log.Error("a backup failed", "error", err)
		}
		w.CloseWithError(err)
	}()
	return r
}

// WriteClosed writes a backup of a data directory that no server has open.
func WriteClosed(ctx context.Context, w io.Writer, data string) error {
	dir := filepath.Join(data, storeDir)
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	if len(names) == 0 { // opening it would make one
		return fmt.Errorf("backup: there is no store in %s: name the workspace with -w, or the data directory with --data", data)
	}
	s, err := badger.Open(badger.Config{Dir: dir})
	if err != nil {
		return err
	}
	return errors.Join(Write(ctx, w, s, data), s.Close())
}

// Restore makes a data directory, which is absent or empty, from a backup.
// After an error there is nothing in it.
func Restore(ctx context.Context, r io.Reader, data string) (err error) {
	if names, err := os.ReadDir(data); err == nil && len(names) > 0 {
		return fmt.Errorf("restore: %s is not empty (it holds %s): name another directory, or move this one away", data, names[0].Name())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	building, err := os.MkdirTemp(data, ".restoring-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(building)) }()
	in := bufio.NewReaderSize(r, 64<<10)
	if err := badger.Restore(ctx, badger.Config{Dir: filepath.Join(building, storeDir)}, in); err != nil {
		return err
	}
	if err := readFiles(ctx, in, building); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := atEnd(in); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, dir := range append(kept(), storeDir) { // the store comes last: without it nothing is taken for a data directory
		if err := os.Rename(filepath.Join(building, dir), filepath.Join(data, dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return syncDir(data)
}

// atEnd refuses a stream that goes on after the backup.
func atEnd(in *bufio.Reader) error {
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows its end", snapshot.ErrDamaged)
	}
	return nil
}

// readFiles writes the files of a backup below a directory, and syncs them.
func readFiles(ctx context.Context, in *bufio.Reader, dir string) error {
	files, err := snapshot.NewReader(in)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	dirs := map[string]bool{".": true}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := e.Kind + "/" + e.Name
		if e.Section != snapshot.Files || !slices.Contains(kept(), e.Kind) || !fs.ValidPath(name) {
			return fmt.Errorf("%w: it has %s %q", snapshot.ErrDamaged, e.Section, name)
		}
		if err := writeChunk(root, filepath.FromSlash(name), e); err != nil {
			return err
		}
		for d := filepath.Dir(filepath.FromSlash(name)); d != "."; d = filepath.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		if err := syncDir(filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	return nil
}

func writeChunk(root *os.Root, name string, e snapshot.Entry) error {
	flags := os.O_WRONLY | os.O_APPEND
	if e.Number == 0 {
		flags |= os.O_CREATE | os.O_EXCL
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, flags, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && uint64(info.Size()) != e.Number {
		err = fmt.Errorf("%w: %s has %d bytes and goes on at %d", snapshot.ErrDamaged, name, info.Size(), e.Number)
	}
	if err == nil {
		_, err = f.Write(e.Value)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Summarize reads a whole backup and returns what it says of itself, the files
// after the store. See snapshot.Summarize for until.
func Summarize(r io.Reader, until time.Time) (snapshot.Summary, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	summary, err := snapshot.Summarize(in, until)
	if err != nil {
		return summary, err
	}
	files, err := snapshot.Summarize(in, until)
	if err != nil {
		return summary, err
	}
	summary.Sums = append(summary.Sums, files.Sums...)
	return summary, atEnd(in)
}

// Row compares one kind of entries in a backup with what a restored host has.
type Row struct {
	snapshot.Sum
	Restored snapshot.Sum `json:"restored"`
	Same     bool         `json:"same"`
}

// Report is what Verify found.
type Report struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"` // when the backup was taken
	Same     bool      `json:"same"`
	Kinds    []Row     `json:"kinds"`
}

// verifyTime bounds a verification: what has less time to live is left out of
// the comparison, since it may end while the two sides are read.
const verifyTime = time.Hour

// Verify restores the backup in a file into a directory below temp, backs that
// up again and compares the two.
func Verify(ctx context.Context, path, temp string) (report Report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, verifyTime, fmt.Errorf("verify: not done within %s", verifyTime))
	defer cancel()
	until := time.Now().Add(verifyTime)
	written, err := Summarize(f, until)
	if err != nil {
		return report, fmt.Errorf("verify %s: %w", path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	dir, err := os.MkdirTemp(temp, "trama-verify-")
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	if err := Restore(ctx, f, data); err != nil {
		return report, fmt.Errorf("verify %s: %w", path, cmp.Or(context.Cause(ctx), err))
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(WriteClosed(ctx, w, data)) }()
	restored, err := Summarize(r, until)
	r.Close()
	if err != nil {
		return report, fmt.Errorf("verify %s: the restored copy: %w", path, cmp.Or(context.Cause(ctx), err))
	}
	return compare(written, restored), nil
}

// compare lists the kinds of both sides.
func compare(written, restored snapshot.Summary) Report {
	report := Report{Sequence: written.Sequence, Time: written.Time, Same: written.Sequence == restored.Sequence, Kinds: []Row{}}
	for _, sum := range written.Sums {
		row := Row{Sum: sum, Restored: snapshot.Sum{Section: sum.Section, Kind: sum.Kind}}
		if i := slices.IndexFunc(restored.Sums, func(s snapshot.Sum) bool { return s.Section == sum.Section && s.Kind == sum.Kind }); i >= 0 {
			row.Restored = restored.Sums[i]
			restored.Sums = slices.Delete(restored.Sums, i, i+1)
		}
		row.Same = row.Sum == row.Restored
		report.Kinds = append(report.Kinds, row)
	}
	for _, sum := range restored.Sums { // what was never in the backup
		report.Kinds = append(report.Kinds, Row{Sum: snapshot.Sum{Section: sum.Section, Kind: sum.Kind}, Restored: sum})
	}
	for _, row := range report.Kinds {
		report.Same = report.Same && row.Same
	}
	return report
}
