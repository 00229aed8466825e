package author

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Newer gives a source of a project, relative to its directory, that was
// changed after its built file; empty if there is none.
func (l Language) Newer(dir, built string) (string, error) {
	made, err := os.Stat(built)
	if err != nil {
		return "", err
	}
	for _, pattern := range append([]string{manifestFile}, l.Sources...) {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			name, err := filepath.Rel(dir, file)
			if err != nil {
				return "", err
			}
			top, _, _ := strings.Cut(filepath.ToSlash(name), "/")
			if slices.Contains([]string{"build", "target", "node_modules", "cases"}, top) {
				continue
			}
			if info, err := os.Stat(file); err != nil {
				return "", err
			} else if info.ModTime().After(made.ModTime()) {
				return name, nil
			}
		}
	}
	return "", nil
}
