// Package secret opens named secrets for the two rooms that may use them:
// egress, which puts them into requests, and hostfn, which signs with them.
//
// A secret comes from the environment (TRAMA_SECRET_<NAME>) or, failing that,
// from a file of its name in one directory, or from those that operators gave
// the running host ([Source.Set]). These, and what else arises while the host
// runs, such as rotated tokens, lie in a [Vault]. Values never print: a [Value]
// shows as [redacted] whatever formats it. The package must not know plugins,
// grants or HTTP; whether a caller may have a secret is decided above it.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrMissing: no secret has this name. The error that wraps it says where to
// put one.
var ErrMissing = errors.New("no secret")

const (
	envPrefix = "TRAMA_SECRET_"
	maxBytes  = 64 << 10 // of one secret: far above the longest PEM file
)

// isName says whether a text can be a secret's name. It is asked at each use of one.
func isName(text string) bool {
	return len(text) >= 1 && len(text) <= 64 && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}

// Source holds the secrets of a host. It is safe for concurrent use.
//
// Files are read at each use, so a rotated secret counts at once. They are
// not refused for being readable by others: container runtimes mount secrets
// with mode 0444 and keep them apart by other means.
type Source struct {
	env   map[string]Value // by name
	dir   string
	dummy bool // see NewDummy

	mu   sync.Mutex
	keys map[string]*parsed // guarded by mu; by name, see key

	kept   atomic.Pointer[kept]
	change sync.Mutex // held while kept changes
	vault  *Vault     // guarded by change; nil: nothing is kept
	times  atomic.Int64
}

// New returns the secrets of an environment (entries "KEY=value", as
// os.Environ gives them) and of a directory, "" for none. The directory need
// not exist yet.
func New(environ []string, dir string) *Source {
	s := &Source{env: map[string]Value{}, dir: dir, keys: map[string]*parsed{}}
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		upper, ok := strings.CutPrefix(variable, envPrefix)
		if name := strings.ToLower(upper); ok && upper == strings.ToUpper(name) && isName(name) && value != "" {
			s.env[name] = newValue(value)
		}
	}
	return s
}

// Format writes "secrets" for every verb, so that printing what holds a
// Source prints no secret.
func (s *Source) Format(f fmt.State, _ rune) { io.WriteString(f, "secrets") } //nolint:errcheck // fmt gives no way to report it

// Open returns the value of a secret. It fails with ErrMissing if there is
// none, and with another error if its name or file is unusable.
func (s *Source) Open(name string) (Value, error) {
	if err := checkName(name); err != nil {
		return Value{}, err
	}
	if value, ok := s.env[name]; ok {
		return value, nil
	}
	if s.dummy {
		return newValue(dummyText(name)), nil
	}
	if s.dir != "" {
		text, err := readFile(filepath.Join(s.dir, name))
		if err == nil && text != "" {
			return newValue(text), nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Value{}, fmt.Errorf("secret %q: %w", name, err)
		}
	}
	if value, ok := s.keptValue(name); ok {
		return value, nil
	}
	remedy := "set the environment variable " + envPrefix + strings.ToUpper(name)
	if s.dir != "" {
		remedy += " or write the file " + filepath.Join(s.dir, name)
	}
	if s.kept.Load() != nil {
		remedy += ", or run: trama secret set " + name
	}
	return Value{}, fmt.Errorf("%w %q: %s", ErrMissing, name, remedy)
}

// checkName says why a text can't be a secret's name.
func checkName(name string) error {
	if isName(name) {
		return nil
	}
	return fmt.Errorf("%q is not a secret's name: use 1 to 64 lower-case letters, digits and _", name)
}

// readFile reads a secret's file without its last line break.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxBytes {
		return "", fmt.Errorf("%s is longer than %d bytes: a secret is not", path, maxBytes)
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}

// Equal compares a text from outside with a secret, in a time that tells
// nothing of either.
func (s *Source) Equal(name, text string) (bool, error) {
	value, err := s.Open(name)
	if err != nil {
		return false, err
	}
	a, b := sha256.Sum256([]byte(value.Reveal())), sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1, nil
}
