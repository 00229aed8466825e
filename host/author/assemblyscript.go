package author

import (
	"fmt"
	"path/filepath"
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
