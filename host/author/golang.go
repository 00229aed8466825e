package author

import (
	"fmt"
	"strings"
)

func golang() Language {
	return Language{
		Name: "go", Title: "Go", Needs: goTool.name + " (" + goTool.get + ")",
		Main: "main.go", PDK: "trama/", Marker: []string{"go.mod"},
		templates: "go/template",
		copies: []copied{
			{from: "go", to: "trama/pdk/go", skip: []string{"template", "pdktest", "suite", "*_test.go"}},
			// Not examples.go, which needs a library from the network:
			// trama plugin test runs the examples.
			{from: "go/pdktest", to: "trama/pdk/go/pdktest", skip: []string{"examples.go", "*_test.go"}},
			{from: "abi", to: "trama/pdk/abi", skip: []string{"*_test.go"}},
		},
		compile: compileGo,
		beyond:  beyondGo,
	}
}

var goTool = tool{
	name:   "Go 1.24 or later",
	names:  []string{"go", "/usr/local/go/bin/go", "/usr/lib/go-*/bin/go", "~/go/bin/go", "~/sdk/go*/bin/go"},
	accept: acceptGo,
	get:    "go.dev/dl, or apt-get install golang",
}

// acceptGo wants what knows //go:wasmexport.
func acceptGo(j *job, program string) string {
	version := j.ask(program, "env", "GOVERSION")
	var major, minor int
	if _, err := fmt.Sscanf(version, "go%d.%d", &major, &minor); err == nil && (major > 1 || minor >= 24) {
		return ""
	}
	return fmt.Sprintf("is %q", version)
}

func compileGo(j *job) error {
	program, err := j.tool(goTool)
	if err != nil {
		return err
	}
	// Nothing of the machine goes in: no paths, no state of a repository, and no
	// build id.
	return j.run(goEnv(), program, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-buildid=", "-o", j.out, ".")
}

// goEnv is what a build is for. No workspace around the project counts.
func goEnv() []string {
	return []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="}
}

// beyondGo asks for the directories of the packages that replace directives take
// from elsewhere on this machine, for what they embed, and for their go.mod.
func beyondGo(j *job) ([]string, error) {
	program, err := j.tool(goTool)
	if err != nil {
		return nil, err
	}
	const local = `{{with .Module}}{{if .Replace}}{{if not .Replace.Version}}{{$.Dir}}{{"\n"}}{{.Replace.GoMod}}{{"\n"}}` +
		`{{range $.EmbedFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}`
	c := j.command(program, "list", "-e", "-deps", "-f", local, ".")
	c.Env = append(c.Env, goEnv()...)
	said, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.Split(string(said), "\n"), nil
}
