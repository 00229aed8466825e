package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/proto"
)

// This file reads the engine's tables as bytes, to tell damage. The engine's
// own check panics on a damaged block and is satisfied with what its cache
// holds; opening a table whose end was cut ends the process; and a read that
// meets a damaged block finds nothing, without an error.

// errDamaged: a file is not as the engine wrote it.
var errDamaged = errors.New("the file is damaged: restore a backup into another directory")

// checkListed checks every table that the engine's manifest lists, and returns
// the newest version in them. The engine is not open.
func checkListed(o badgerdb.Options) (newest uint64, err error) {
	path := filepath.Join(o.Dir, badgerdb.ManifestFilename)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // a new directory
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	m, _, err := badgerdb.ReplayManifestFile(f, o.ExternalMagicVersion, o)
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %w", path, errDamaged, err)
	}
	for _, id := range slices.Sorted(maps.Keys(m.Tables)) {
		version, err := checkTable(table.NewFilename(id, o.Dir))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("%w: %w", errDamaged, err)
		}
		if err != nil {
			return 0, err
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// checkOpen checks the tables of an open engine. Those that compaction removes
// meanwhile are read by nobody.
func checkOpen(db *badgerdb.DB) error {
	for _, t := range db.Tables() {
		if _, err := checkTable(table.NewFilename(t.ID, db.Opts().Dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkTable reads a table's index and every block, compares checksums and
// returns the newest version. A table is its blocks, then its index and the
// index's checksum, each of the two followed by its length; a block ends with
// its checksum in the same way.
func checkTable(path string) (newest uint64, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	fail := func(what string, err error) (uint64, error) {
		return 0, fmt.Errorf("%s: %w: %s: %w", path, errDamaged, what, err)
	}
	rest, sum, err := cutLast(data)
	if err != nil {
		return fail("end", err)
	}
	rest, index, err := cutLast(rest)
	if err == nil {
		err = checkSum(index, sum)
	}
	if err != nil {
		return fail("index", err)
	}
	blocks := fb.GetRootAsTableIndex(index, 0)
	var buffer []byte
	for i := range blocks.OffsetsLength() {
		var at fb.BlockOffset
		if !blocks.Offsets(&at, i) || uint64(at.Offset())+uint64(at.Len()) > uint64(len(rest)) {
			return fail(fmt.Sprintf("block %d", i), errors.New("outside the file"))
		}
		block, err := snappy.Decode(buffer[:cap(buffer)], rest[at.Offset():at.Offset()+at.Len()])
		if err == nil {
			buffer = block
			var sum []byte
			if block, sum, err = cutLast(block); err == nil {
				err = checkSum(block, sum)
			}
		}
		if err != nil {
			return fail(fmt.Sprintf("block %d", i), err)
		}
	}
	return blocks.MaxVersion(), nil
}

// cutLast takes off the last part of data, which is followed by its length.
func cutLast(data []byte) (rest, last []byte, err error) {
	if len(data) < 4 {
		return nil, nil, fmt.Errorf("%d bytes", len(data))
	}
	rest = data[:len(data)-4]
	n := binary.BigEndian.Uint32(data[len(rest):])
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("a length of %d in %d bytes", n, len(rest))
	}
	at := len(rest) - int(n)
	return rest[:at], rest[at:], nil
}

func checkSum(data, encoded []byte) error {
	var sum pb.Checksum
	if err := proto.Unmarshal(encoded, &sum); err != nil {
		return err
	}
	return y.VerifyChecksum(data, &sum)
}
