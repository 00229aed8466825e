package author

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// made are the directories of a project that tools fill, not its author.
var made = [...]string{"build", "target", "node_modules", "vendor"}

// Files lists the files below a project's directory, those that tools make and
// hidden ones left out: all that its author may change, whatever a build of it
// reads.
func Files(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has gone meanwhile
			return nil
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(name, "."), entry.IsDir() && filepath.Dir(path) == filepath.Clean(dir) && slices.Contains(made[:], name):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir():
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// Beyond lists the files outside of the project's directory that its last build
// has read and that are on this machine for an author to change, as its tools
// tell: packages that are taken by their path, and what they embed.
func (b Build) Beyond(ctx context.Context) (files []string, err error) {
	dir, err := filepath.Abs(b.Dir)
	if err != nil {
		return nil, err
	}
	language, err := Detect(b.Dir)
	if err != nil || language.beyond == nil {
		return nil, err
	}
	named, err := language.beyond(&job{ctx: ctx, language: language, dir: dir, environ: b.Environ, output: io.Discard})
	if err != nil {
		return nil, err
	}
	for _, path := range named {
		if !filepath.IsAbs(path) || path == dir || strings.HasPrefix(path, dir+string(filepath.Separator)) {
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil { // a file, or nothing any more
			files = append(files, path)
		}
		for _, entry := range entries {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// prerequisites are the names in a line of make's, as compilers write it.
func prerequisites(line string) []string {
	const space = "\x00" // a space of a name is written with a \ before it
	names := strings.Fields(strings.ReplaceAll(line, `\ `, space))
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, space, " ")
	}
	return names
}
