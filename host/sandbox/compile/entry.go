package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// sumsFile holds the key of an entry, and lists its other files as sha256sum
// does.
const sumsFile = "sums"

// maxSums bounds what is read of it: an entry has one or two files.
const maxSums = 64 << 10

// keyOf names the code of a module: all that it depends on is in the name, so
// code of another compiler or processor is never found.
func keyOf(wasm []byte) string {
	module := sha256.Sum256(wasm)
	all := sha256.Sum256(fmt.Appendf(nil, "%x %s %s %s %+v %+v",
		module, version(), runtime.GOOS, runtime.GOARCH, cpu.X86, cpu.ARM64))
	return hex.EncodeToString(all[:])
}

// linked is wazero's version in a program without module information. Only the
// linker sets it, for tests: see the Makefile.
var linked string

// version names the compiler: wazero's version or, where that is not known or
// is a copy's, the program's file. It is empty if neither is known.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path != "github.com/tetratelabs/wazero" {
				continue
			}
			if dep.Replace == nil {
				return dep.Version
			}
			break // a copy, of which the version says little
		}
	}
	if linked != "" {
		return linked
	}
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(path, info.Size(), info.ModTime().UnixNano())
}

// private returns an error unless the directory is this user's own, and
// nobody else can reach it.
func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("cache of compiled code: %w", err)
	case !info.IsDir():
		return fmt.Errorf("cache of compiled code: %s is not a directory: name another one", dir)
	case !owned(info):
		return fmt.Errorf("cache of compiled code: %s belongs to another user, who could put code into it: name another directory", dir)
	case exposed(info):
		return fmt.Errorf("cache of compiled code: %s has mode %#o, so others could put code into it: remove what it holds, then chmod 700 it", dir, info.Mode().Perm())
	}
	return nil
}

// seal writes the list of an entry's files, for the key that it will have.
func seal(dir, key string) error {
	text, err := sums(dir, key)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text), 0o600)
}

// verify returns nil if an entry is what seal left for its name, and an error
// that is [fs.ErrNotExist] if there is none.
func verify(dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return err
	}
	if err := private(dir); err != nil {
		return err
	}
	found, err := sums(dir, filepath.Base(dir))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, sumsFile)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it has no list of its files")
	case err != nil:
		return err
	case !info.Mode().IsRegular() || !owned(info) || info.Size() > maxSums:
		return fmt.Errorf("%s is not the list of its files", sumsFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if string(text) != found {
		return errors.New("its files are not those of its list, or it is another module's")
	}
	return nil
}

// oneVersion returns an error if wazero, which has just opened the entry, does
// not look for code where the compiler has put it: wazero has a directory for
// each of its versions, and makes its own.
func oneVersion(dir string) error {
	files, err := os.ReadDir(dir)
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return !f.IsDir() })
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("the compiler and the host use different versions of wazero: %s has %d directories of code", dir, len(files))
	}
	return err
}

// sums gives the list of an entry's files: those that are there, which must be
// this user's own, regular, and at least one.
func sums(dir, key string) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "key %s\n", key)
	head := text.Len()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case !owned(info):
			return fmt.Errorf("%s belongs to another user", name)
		case info.IsDir() || name == sumsFile:
			return nil
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a regular file", name)
		case exposed(info):
			return fmt.Errorf("%s has mode %#o", name, info.Mode().Perm())
		}
		sum, err := sumOf(path)
		fmt.Fprintf(&text, "%x  %s\n", sum, filepath.ToSlash(name))
		return err
	})
	if err == nil && text.Len() == head {
		err = errors.New("it holds no code")
	}
	return text.String(), err
}

func sumOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}
