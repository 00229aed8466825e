package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const vaultKeyBytes = 32 // AES-256

// Vault keeps secrets that arise while the host runs, such as refresh tokens
// that a server put in the place of others: one encrypted file each, under a
// key in a file beside them that only the host's user can read. It guards
// against what copies of single files and listings of directories give away;
// whoever can read the whole directory as that user reads the secrets.
type Vault struct {
	dir  string
	seal cipher.AEAD
	mu   sync.Mutex // held while a file is written
}

// OpenVault opens the vault in a directory and makes both if they are not
// there.
func OpenVault(dir string) (*Vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	key, err := vaultKey(filepath.Join(dir, "key"))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return &Vault{dir: dir, seal: seal}, nil
}

// vaultKey reads the key, or makes one.
func vaultKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, vaultKeyBytes)
		rand.Read(key) //nolint:errcheck // never fails since Go 1.24
		return key, replace(path, key)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("%s can be read by others (%s): chmod 600 it, and renew the tokens that it guards", path, info.Mode().Perm())
	}
	if len(key) != vaultKeyBytes {
		return nil, fmt.Errorf("%s has %d bytes instead of %d: restore it from a backup, or remove the directory and authorise the connections again", path, len(key), vaultKeyBytes)
	}
	return key, nil
}

// path is where a name's value is. The name is part of what is sealed, so that
// files can't be exchanged.
func (v *Vault) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(v.dir, hex.EncodeToString(sum[:]))
}

// Get returns what was put under a name, or "" if there is nothing.
func (v *Vault) Get(name string) (string, error) {
	sealed, err := os.ReadFile(v.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("vault: %w", err)
	}
	value, err := v.seal.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return "", fmt.Errorf("vault: %s is damaged or of another key: restore it from a backup, or remove it and authorise the connection again", v.path(name))
	}
	return string(value), nil
}

// Put has the value on disk, encrypted, when it returns.
func (v *Vault) Put(name, value string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := replace(v.path(name), v.seal.Seal(nil, nil, []byte(value), []byte(name))); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// Seal encrypts what is kept elsewhere under a name.
func (v *Vault) Seal(name string, data []byte) []byte {
	return v.seal.Seal(nil, nil, data, []byte(name))
}

// Unseal gives what was sealed under a name. It fails if that was damaged, or
// sealed by another vault.
func (v *Vault) Unseal(name string, sealed []byte) ([]byte, error) {
	data, err := v.seal.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("vault: what is kept under %q is damaged or of another key", name)
	}
	return data, nil
}

// Remove takes away what was put under a name; that there is nothing is no
// error.
func (v *Vault) Remove(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := os.Remove(v.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// replace puts a file in the place of another, whole and synced.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
