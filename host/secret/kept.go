package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Where a secret's value is.
const (
	FromEnv   = "env"   // the environment of the process
	FromFile  = "file"  // the directory of secrets
	FromStore = "store" // the host's own, encrypted; see Source.Set
)

// ErrElsewhere: the secret's value is in the environment or in a file, and is
// changed there.
var ErrElsewhere = errors.New("the secret comes from elsewhere")

// ErrInvalid: the name or the value is not one that is kept. The error that
// wraps it says why.
var ErrInvalid = errors.New("not kept")

// Bounds of the secrets that are kept: they are held in memory, and written as
// one.
const (
	maxKept      = 1000
	maxKeptBytes = 8 << 20
	vaultKept    = "kept secrets" // their name in the vault
)

// keptSecret is a secret that was given to the host.
type keptSecret struct {
	Value   string    `json:"value"`
	Created time.Time `json:"created"`
	Set     time.Time `json:"set"`
}

// kept are the secrets that were given to the host, by name. A change replaces
// the map, so that readers may keep the one that they have.
type kept map[string]keptSecret

// Info tells of a secret, without its value.
type Info struct {
	Name   string `json:"name"`
	Source string `json:"source"` // FromEnv, FromFile or FromStore
	// Created and Set are when the value was first and last given to the
	// store; absent for other sources.
	Created time.Time `json:"created,omitzero"`
	Set     time.Time `json:"set,omitzero"`
	// Unused says that the store has a value too, which the one of the
	// environment or file stands before.
	Unused bool `json:"unused,omitempty"`
}

// Keep gives the source a vault for the secrets that are set while the host
// runs, and reads those that are in it.
func (s *Source) Keep(v *Vault) error {
	text, err := v.Get(vaultKept)
	if err != nil {
		return err
	}
	held := kept{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &held); err != nil {
			return errors.New("vault: the kept secrets can't be read: restore the vault from a backup") // the cause may quote one
		}
	}
	s.change.Lock()
	defer s.change.Unlock()
	s.vault = v
	s.kept.Store(&held)
	return nil
}

// keptValue gives the value of a kept secret.
func (s *Source) keptValue(name string) (Value, bool) {
	if held := s.kept.Load(); held != nil {
		if one, ok := (*held)[name]; ok {
			return newValue(one.Value), true
		}
	}
	return Value{}, false
}

// Set stores the value of a secret, encrypted and on disk when it returns; the
// next use has it. Errors: ErrInvalid, ErrElsewhere, the disk's.
func (s *Source) Set(name, value string, now time.Time) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch {
	case value == "":
		return fmt.Errorf("%w: secret %q: the value is empty", ErrInvalid, name)
	case len(value) > maxBytes:
		return fmt.Errorf("%w: secret %q: the value is longer than %d bytes: a secret is not", ErrInvalid, name, maxBytes)
	}
	if place := s.elsewhere(name); place != "" {
		return fmt.Errorf("%w: %q is in %s: change it there", ErrElsewhere, name, place)
	}
	return s.rewrite(func(held kept) error {
		one := keptSecret{Value: value, Created: now.UTC(), Set: now.UTC()}
		if old, exists := held[name]; exists {
			one.Created = old.Created
		}
		held[name] = one
		if len(held) > maxKept {
			return fmt.Errorf("%w: secret %q: the host keeps %d secrets, and no more: remove some, or use files", ErrInvalid, name, maxKept)
		}
		return nil
	})
}

// Forget removes a secret from the store. Errors: ErrMissing if the store has
// none of the name, ErrElsewhere if it is in another place, the disk's.
func (s *Source) Forget(name string) error {
	if _, ok := s.keptValue(name); !ok {
		if place := s.elsewhere(name); place != "" {
			return fmt.Errorf("%w: %q is in %s: remove it there", ErrElsewhere, name, place)
		}
		return fmt.Errorf("%w %q", ErrMissing, name)
	}
	return s.rewrite(func(held kept) error {
		delete(held, name)
		return nil
	})
}

// rewrite changes the kept secrets: on disk first, then for readers.
func (s *Source) rewrite(edit func(held kept) error) error {
	s.change.Lock()
	defer s.change.Unlock()
	if s.vault == nil {
		return errors.New("this host has no vault to keep secrets in")
	}
	held := maps.Clone(*s.kept.Load())
	if err := edit(held); err != nil {
		return err
	}
	data, err := json.Marshal(held)
	if err != nil {
		return err
	}
	if len(data) > maxKeptBytes {
		return fmt.Errorf("%w: the secrets are larger than %d bytes together: remove some, or use files", ErrInvalid, maxKeptBytes)
	}
	if err := s.vault.Put(vaultKept, string(data)); err != nil {
		return err
	}
	s.kept.Store(&held)
	s.times.Add(1)
	return nil
}

// Changes counts the secrets that were set and forgotten: who keeps something
// made of all of them makes it anew when it has grown.
func (s *Source) Changes() int64 { return s.times.Load() }

// elsewhere names the place, other than the store, that has a secret's value.
func (s *Source) elsewhere(name string) string {
	if _, ok := s.env[name]; ok {
		return "the environment variable " + envPrefix + strings.ToUpper(name)
	}
	if s.dir != "" {
		path := filepath.Join(s.dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return "the file " + path
		}
	}
	return ""
}

// List tells of all secrets, by name.
func (s *Source) List() ([]Info, error) {
	all := map[string]Info{}
	if held := s.kept.Load(); held != nil {
		for name, one := range *held {
			all[name] = Info{Name: name, Source: FromStore, Created: one.Created, Set: one.Set}
		}
	}
	before := func(name, source string) {
		_, stored := all[name]
		all[name] = Info{Name: name, Source: source, Unused: stored}
	}
	if s.dir != "" {
		entries, err := os.ReadDir(s.dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("secrets: %w", err)
		}
		for _, e := range entries {
			if isName(e.Name()) && !e.IsDir() {
				before(e.Name(), FromFile)
			}
		}
	}
	for name := range s.env {
		before(name, FromEnv)
	}
	list := make([]Info, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}
