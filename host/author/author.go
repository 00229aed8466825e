// Package author is a plugin author's workshop: it writes new projects, builds
// them with the toolchain of their language, and puts the manifest into the
// module, so that one file is all there is to ship.
//
// What it knows of a language is an entry in [Languages]. It runs compilers,
// which is why no part of a server may use it, and it reads the embedded PDKs
// as plain files. It must not know how a plugin is run or tested, nor what a
// terminal is.
package author

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// manifestFile is the manifest's place in a project.
const manifestFile = "manifest.json"

// Language is what the workshop knows of a language.
type Language struct {
	Name  string // as an author says it: "go"
	Title string // "Go"
	Needs string // what an author must have, and where it comes from
	Setup string // the command that a new project begins with, or ""
	Main  string // the file that the author changes
	PDK   string // where a project has the PDK

	// Marker is the file by which a project's language is known; any of them.
	Marker []string

	templates string // where the embedded PDKs have the sources of new projects
	copies    []copied
	ignore    []string // what a build leaves, for .gitignore
	compile   func(*job) error
	// beyond lists what the last build has read that lies outside of the project:
	// files, and directories of which any file counts. nil: it can read nothing
	// there.
	beyond func(*job) ([]string, error)
}

// copied are files of the embedded PDKs, and where a project has them.
type copied struct {
	from string // a file or a directory
	to   string
	skip []string // patterns of names that are left out
}

// Kinds lists the kinds of plugin that a project can be of.
func Kinds() []abi.Kind {
	return []abi.Kind{abi.KindConnector, abi.KindChannel, abi.KindLanguage}
}

// LanguageOf finds a language by its name.
func LanguageOf(name string) (Language, error) {
	var names []string
	for _, l := range Languages() {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return Language{}, fmt.Errorf("language %q: want %s", name, orList(names))
}

// Detect finds the language of a project by its marker.
func Detect(dir string) (Language, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return Language{}, fmt.Errorf("%s is a file: name the directory of a plugin's project", dir)
	}
	var found []Language
	var by, markers []string // by: what each was found by
	for _, l := range Languages() {
		has := ""
		for _, marker := range l.Marker {
			if _, err := os.Stat(filepath.Join(dir, marker)); err == nil {
				has = marker
			} else if !errors.Is(err, os.ErrNotExist) {
				return Language{}, err
			}
			markers = append(markers, marker)
		}
		if has != "" {
			found, by = append(found, l), append(by, has)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if _, err := os.Stat(dir); err != nil {
			return Language{}, err
		}
		return Language{}, fmt.Errorf("%s is no plugin project: it has none of %s; begin one with: trama plugin new --lang LANGUAGE NAME", dir, strings.Join(markers, ", "))
	}
	return Language{}, fmt.Errorf("%s has %s and %s: keep the marker of one language", dir, by[0], by[1])
}

// orList gives "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
