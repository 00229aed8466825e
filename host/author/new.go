package author

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
)

// Project is a project to be written.
type Project struct {
	Name     string   // of the plugin: a lower-case word such as my_crm
	Language string   // of [Languages]
	Kind     abi.Kind // empty: a connector
	Dir      string   // empty: the name; what is not there is made, up to its parent
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// New writes a project and gives its files, sorted, by their paths below its
// directory. The directory may be there if it is empty. files are the embedded
// PDKs. If it fails, nothing is left behind.
func New(files fs.FS, p Project) (written []string, err error) {
	if !namePattern.MatchString(p.Name) {
		return nil, fmt.Errorf("name %q: want a lower-case word of letters, digits and underscores, such as my_crm, of at most 40 characters", p.Name)
	}
	language, err := LanguageOf(p.Language)
	if err != nil {
		return nil, err
	}
	if p.Kind == "" {
		p.Kind = abi.KindConnector
	}
	if !slices.Contains(Kinds(), p.Kind) {
		return nil, fmt.Errorf("kind %q: want connector, channel or language", p.Kind)
	}
	contents, err := language.project(files, p)
	if err != nil {
		return nil, err
	}
	// What names the host keeps for itself is the manifest's rule: a project whose
	// build would refuse its name is not begun.
	if _, err := plugin.ParseManifest(contents[manifestFile]); err != nil {
		if faults, ok := errors.AsType[plugin.Faults](err); ok {
			err = errors.New(faults[0].String())
		}
		return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	dir, err := filepath.Abs(filepath.FromSlash(orElse(p.Dir, p.Name)))
	if err != nil {
		return nil, err
	}
	return write(dir, contents)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// project gives the files of a new project by their paths.
func (l Language) project(files fs.FS, p Project) (map[string][]byte, error) {
	contents := map[string][]byte{}
	sources := []copied{
		{from: "template/" + string(p.Kind), to: "."},
		{from: l.templates + "/" + string(p.Kind), to: "."},
	}
	if all := l.templates + "/all"; isDir(files, all) {
		sources = append(sources, copied{from: all, to: "."})
	}
	for _, c := range append(sources, l.copies...) {
		if err := c.collect(files, contents); err != nil {
			return nil, fmt.Errorf("sources of %s: %w", l.Title, err)
		}
	}
	setup := l.Setup
	if setup != "" {
		setup = fmt.Sprintf("%-23s # once\n", setup)
	}
	// Only these words are replaced: braces mean something in many languages.
	words := strings.NewReplacer("{{.Name}}", p.Name, "{{.Kind}}", string(p.Kind),
		"{{.Scheme}}", strings.ReplaceAll(p.Name, "_", "-"), // of a channel's addresses, which have no "_"
		"{{.Lang}}", l.Name, "{{.Language}}", l.Title, "{{.Needs}}", l.Needs, "{{.Setup}}", setup, "{{.Main}}", l.Main, "{{.PDK}}", l.PDK)
	for name, data := range contents {
		contents[name] = []byte(words.Replace(string(data)))
	}
	contents[".gitignore"] = []byte(strings.Join(append([]string{"/build/"}, l.ignore...), "\n") + "\n")
	return contents, nil
}

func isDir(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.IsDir()
}

// collect reads the files of c.
func (c copied) collect(files fs.FS, into map[string][]byte) error {
	return fs.WalkDir(files, c.from, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case c.skips(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		to := c.to
		if name != c.from {
			to = path.Join(c.to, strings.TrimPrefix(name, c.from+"/"))
		}
		into[strings.TrimSuffix(to, ".tmpl")] = data
		return nil
	})
}

func (c copied) skips(name string) bool {
	return slices.ContainsFunc(c.skip, func(pattern string) bool {
		skip, _ := path.Match(pattern, name) // the only error is a bad pattern; ours are constants
		return skip
	})
}

// write makes a directory with the files, or leaves all as it was. They are
// written beside it, and moved in when they are complete.
func write(dir string, contents map[string][]byte) (written []string, err error) {
	there, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	exists := err == nil
	if len(there) > 0 {
		return nil, fmt.Errorf("%s is not empty: it has %s; choose another directory", dir, there[0].Name())
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	for name, data := range contents {
		to := filepath.Join(draft, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return nil, err
		}
		written = append(written, name)
	}
	slices.Sort(written)
	if !exists {
		return written, errors.Join(os.Chmod(draft, 0o755), os.Rename(draft, dir))
	}
	moved, err := os.ReadDir(draft)
	if err != nil {
		return nil, err
	}
	for i, entry := range moved {
		if err := os.Rename(filepath.Join(draft, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			for _, back := range moved[:i] {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, back.Name())))
			}
			return nil, err
		}
	}
	return written, nil
}
