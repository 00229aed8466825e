package author

import "fmt"

func golang() Language {
	return Language{
		Name: "go", Title: "Go", Needs: goTool.name + " (" + goTool.get + ")",
		Main: "main.go", PDK: "trama/", Marker: []string{"go.mod"},
		Sources:   []string{"go.mod", "go.sum", "*.go", "*/*.go", "*/*/*.go", "*/*/*/*.go"},
		templates: "go/template",
		copies: []copied{
			{from: "go", to: "trama/pdk/go", skip: []string{"template", "pdktest", "suite", "*_test.go"}},
			// Not examples.go, which needs a library from the network:
			// trama plugin test runs the examples.
			{from: "go/pdktest", to: "trama/pdk/go/pdktest", skip: []string{"examples.go", "*_test.go"}},
			{from: "abi", to: "trama/pdk/abi", skip: []string{"*_test.go"}},
		},
		compile: compileGo,
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
	// Nothing of the machine goes in: no paths, no state of a repository, no
	// build id, and no workspace around the project counts.
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="}
	return j.run(env, program, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-buildid=", "-o", j.out, ".")
}
