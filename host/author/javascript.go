package author

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trama-run/trama/host/author/script"
)

// Both are bundled and given an engine by trama itself.

const noTool = "nothing else"

func javascript() Language {
	return Language{
		Name: "js", Title: "JavaScript", Needs: noTool,
		Main: "plugin.js", PDK: "trama.d.ts", Marker: []string{"plugin.js"},
		templates: "js/template",
		copies:    []copied{{from: "js/trama.d.ts", to: "trama.d.ts"}},
		ignore:    []string{"/node_modules/"},
		compile:   compileScript,
	}
}

func typescript() Language {
	l := javascript()
	l.Name, l.Title, l.Main, l.Marker = "ts", "TypeScript", "plugin.ts", []string{"plugin.ts"}
	l.templates = "js/template-ts"
	return l
}

func compileScript(j *job) error {
	files, err := fs.Sub(j.files, "js")
	if err != nil {
		return err
	}
	module, err := script.Build(j.ctx, files, filepath.Join(j.dir, j.language.Main), j.manifest)
	if refused, ok := errors.AsType[*script.Error](err); ok {
		fmt.Fprintln(j.output, refused)
		return &Failed{Command: "the bundler", Code: 1}
	}
	if err != nil {
		return err
	}
	return os.WriteFile(j.out, module, 0o644)
}
