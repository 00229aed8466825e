package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// The engine opens a damaged directory without a word: it cuts a log at the
// first entry that it can't read, and forgets tables that its manifest lost.
// So the number of commits that were answered stands in a file beside it, and
// Open compares.
//
// The number is written after the commit is synced, and not synced itself: so
// it is never ahead of the data on disk. After a power cut it may be behind,
// and a loss among the last commits of an unclean stop can then be unseen.
const (
	countFile   = "commits" // u64 and its CRC32-C, big-endian
	damagedFile = "damaged" // says what was lost, until an operator removes it
)

// counter keeps the number of commits.
type counter struct{ file *os.File }

// openCounter returns the counter and its number; 0 if there was none.
func openCounter(dir string) (*counter, uint64, error) {
	path := filepath.Join(dir, countFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	raw := make([]byte, 13)
	n, err := f.ReadAt(raw, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, 0, errors.Join(err, f.Close())
	case n == 0: // a new directory, or one of a release that did not count
		return &counter{f}, 0, nil
	case n != 12 || binary.BigEndian.Uint32(raw[8:]) != checksum(raw[:8]):
		return nil, 0, errors.Join(fmt.Errorf("%s is damaged, so nobody knows whether commits are missing: restore a backup into another directory, or remove the file to go on with what is there", path), f.Close())
	}
	return &counter{f}, binary.BigEndian.Uint64(raw), nil
}

// set writes the number.
func (c *counter) set(commits uint64) error {
	raw := number(commits)
	_, err := c.file.WriteAt(binary.BigEndian.AppendUint32(raw, checksum(raw)), 0)
	return err
}

func (c *counter) close() error { return errors.Join(c.file.Sync(), c.file.Close()) }

// missing says which commits the opened engine does not have, or "".
//
// Each commit has a timestamp, one more than the one before, and sets the
// sequence number. Tables are whole (see checkListed), and a log is removed
// only after its table is listed. So above the newest version in the tables
// that were listed before Open, the logs must hold every version of the
// sequence number up to the last.
func missing(db *badgerdb.DB, inTables, answered uint64) string {
	last := db.MaxVersion()
	if last < answered {
		return fmt.Sprintf("%d commits were answered, the data ends at commit %d", answered, last)
	}
	txn := db.NewTransactionAt(last, false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: seqKey(), AllVersions: true})
	defer it.Close()
	want := last
	for it.Seek(seqKey()); it.Valid() && want > inTables; it.Next() {
		if found := it.Item().Version(); found != want {
			return fmt.Sprintf("commits %d to %d are not there", found+1, want)
		}
		want--
	}
	if want > inTables {
		return fmt.Sprintf("commits %d to %d are not there", inTables+1, want)
	}
	return ""
}

// refuseDamaged returns an error while an operator has not accepted a loss.
func refuseDamaged(dir string) error {
	path := filepath.Join(dir, damagedFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s has lost data: %s: restore a backup into another directory, or remove %s to go on without what is lost", dir, text, path)
}

// checkContinuity compares the engine with the counter. A loss is written down
// before it is reported: the engine closes the gap when it is closed, and the
// next Open would not see it.
func checkContinuity(dir string, db *badgerdb.DB, inTables, answered uint64) error {
	lost := missing(db, inTables, answered)
	if lost == "" {
		return nil
	}
	if err := writeSynced(filepath.Join(dir, damagedFile), []byte(lost)); err != nil {
		return fmt.Errorf("%s: %w", lost, err)
	}
	return errors.Join(refuseDamaged(dir), syncDir(dir))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
