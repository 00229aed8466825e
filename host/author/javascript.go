package author

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trama-run/trama/host/author/script"
)

// Both are bundled and given an engine by trama itself. The bundler leaves
// types out: who wants them checked has the compiler in the project.

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
	l.templates, l.compile = "js/template-ts", compileTyped
	return l
}

// compileTyped makes the module before types are checked: what the bundler
// refuses is told in fewer words.
func compileTyped(j *job) error {
	if err := compileScript(j); err != nil {
		return err
	}
	tsc := j.candidates([]string{"./node_modules/.bin/tsc"})
	if len(tsc) == 0 {
		j.note = "types are not checked; to have builds do it, in the project: npm install -D typescript"
		return nil
	}
	return j.run(nil, tsc[0], "--noEmit", "--project", ".")
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
