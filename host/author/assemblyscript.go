package author

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func assemblyscript() Language {
	return Language{
		Name: "assemblyscript", Title: "AssemblyScript", Needs: ascTool.name + " (" + ascTool.get + ")",
		Setup: "npm install", Main: "assembly/index.ts", PDK: "trama-pdk/", Marker: []string{"asconfig.json"},
		templates: "assemblyscript/template",
		copies:    []copied{{from: "assemblyscript", to: "trama-pdk", skip: []string{"template", "suite", "tests", "testdata", "node_modules", "*.go"}}},
		ignore:    []string{"/node_modules/"},
		compile:   compileAssemblyScript,
		beyond:    beyondAssemblyScript,
	}
}

var ascTool = tool{
	name:   "node and its package assemblyscript 0.27 or later",
	names:  []string{"./node_modules/.bin/asc", "asc"},
	accept: acceptAsc,
	get:    "node and npm: nodejs.org, or apt-get install nodejs npm; then in the project: npm install",
}

func acceptAsc(j *job, asc string) string {
	said := j.ask(asc, "--version")
	version, ok := strings.CutPrefix(said, "Version ")
	if !ok {
		return "does not start; is node in PATH?"
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major == 0 && minor < 27 {
		return fmt.Sprintf("is version %s; want 0.27 or later", version)
	}
	return ""
}

func compileAssemblyScript(j *job) error {
	asc, err := j.tool(ascTool)
	if err != nil {
		return err
	}
	out, err := filepath.Rel(j.dir, j.out) // some versions take an absolute path wrongly
	if err != nil {
		return err
	}
	return j.run(nil, asc, "assembly/index.ts", "--config", "asconfig.json", "--target", "release", "--outFile", out)
}

// imported finds what a file imports by a relative path. It may stand in a
// comment: a file too many does no harm.
var imported = regexp.MustCompile(`\b(?:from|import)\s*["'](\.[^"'\n]*)["']`)

// beyondAssemblyScript follows the imports of the project's files, which the
// compiler does not tell of.
func beyondAssemblyScript(j *job) ([]string, error) {
	files, err := Files(j.dir)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(path string) bool { return filepath.Ext(path) != ".ts" })
	for i := 0; i < len(files); i++ { // which grows
		text, err := os.ReadFile(files[i])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, found := range imported.FindAllSubmatch(text, -1) {
			name := filepath.Join(filepath.Dir(files[i]), filepath.FromSlash(string(found[1])))
			for _, path := range []string{strings.TrimSuffix(name, ".ts") + ".ts", filepath.Join(name, "index.ts")} {
				if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !slices.Contains(files, path) {
					files = append(files, path)
				}
			}
		}
	}
	return files, nil
}
