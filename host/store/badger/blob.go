package badger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// blobs is the directory of the values that are too long for the engine: a
// transaction holds little, and the engine's own place for long values (the
// value log) only logs a failed sync.
//
// A file is written under a new random name and synced before the commit that
// refers to it, and removed after the commit that drops the reference. Nobody
// reads a file before the reference is there, so there is no need to rename
// it into place; what a crash leaves without a reference is swept.
type blobs struct {
	dir string

	mu      sync.Mutex
	pending map[blobName]struct{} // guarded by mu: written, not yet committed
	holds   int                   // guarded by mu: backups that run
	dropped []blobName            // guarded by mu: what they may still read
}

func openBlobs(dir string) (*blobs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &blobs{dir: dir, pending: map[blobName]struct{}{}}, nil
}

func (b *blobs) path(name blobName) string {
	return filepath.Join(b.dir, hex.EncodeToString(name[:]))
}

// write stores a value and syncs it. The name is pending until settle. The
// directory is not synced: see sync.
func (b *blobs) write(value []byte) (blobRef, error) {
	ref := blobRef{size: uint32(len(value)), crc: checksum(value)}
	rand.Read(ref.name[:]) // never fails: see crypto/rand
	b.mu.Lock()
	b.pending[ref.name] = struct{}{}
	b.mu.Unlock()
	if err := writeSynced(b.path(ref.name), value); err != nil {
		err = errors.Join(err, b.remove(ref.name))
		b.settle(ref.name)
		return blobRef{}, err
	}
	return ref, nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sync makes the names of the files written so far last.
func (b *blobs) sync() error { return syncDir(b.dir) }

// settle says that a name has been committed or removed.
func (b *blobs) settle(name blobName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pending, name)
}

// read returns the value; the error is fs.ErrNotExist if it was dropped.
func (b *blobs) read(ref blobRef) ([]byte, error) {
	data, err := os.ReadFile(b.path(ref.name))
	if err != nil {
		return nil, fmt.Errorf("%w: restore the file from a backup", err)
	}
	if len(data) != int(ref.size) || checksum(data) != ref.crc {
		return nil, fmt.Errorf("%s: want %d bytes with checksum %08x, got %d with %08x: restore the file from a backup",
			b.path(ref.name), ref.size, ref.crc, len(data), checksum(data))
	}
	return data, nil
}

// hold keeps the files that are dropped from now on, until release.
func (b *blobs) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds++
}

// release returns what can be removed now.
func (b *blobs) release() (dropped []blobName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds--; b.holds == 0 {
		dropped, b.dropped = b.dropped, nil
	}
	return dropped
}

// remove deletes a file; one that is gone is no error.
func (b *blobs) remove(name blobName) error {
	b.mu.Lock()
	held := b.holds > 0
	if held {
		b.dropped = append(b.dropped, name)
	}
	b.mu.Unlock()
	if held {
		return nil
	}
	if err := os.Remove(b.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes the files that are neither pending nor in use. It is safe
// beside commits: a name leaves pending only after its commit can be seen.
func (b *blobs) sweep(inUse func(blobName) (bool, error)) (removed int, err error) {
	dir, err := os.Open(b.dir)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for _, file := range names {
		raw, err := hex.DecodeString(file)
		if err != nil || len(raw) != len(blobName{}) {
			continue // not ours: leave what an operator put there
		}
		name := blobName(raw)
		b.mu.Lock()
		_, pending := b.pending[name]
		b.mu.Unlock()
		if pending {
			continue
		}
		used, err := inUse(name)
		if err != nil {
			return removed, err
		}
		if used {
			continue
		}
		if err := b.remove(name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// syncDir makes the entries of a directory last.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
