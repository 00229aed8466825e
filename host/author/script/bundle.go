package script

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// bundled is a program as one ES module.
type bundled struct {
	source  string
	places  places
	exports []string // names
}

// Modules that are no files. The library alone may import the engine's.
const (
	libraryModule = "trama"
	engineModule  = "trama:engine"
)

// bundle puts a program and all that it imports into one module. What the
// program doesn't use of them is left out.
func bundle(entry, library string) (bundled, error) {
	entry, err := filepath.Abs(entry)
	if err != nil {
		return bundled{}, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(entry))
	if err != nil {
		return bundled{}, err
	}
	entry = filepath.Join(dir, filepath.Base(entry))
	options, err := tsconfig(dir)
	if err != nil {
		return bundled{}, err
	}
	result := api.Build(api.BuildOptions{
		EntryPoints:   []string{entry},
		AbsWorkingDir: dir,
		Outfile:       filepath.Join(dir, "bundle.js"),
		Bundle:        true,
		Format:        api.FormatESModule,
		Platform:      api.PlatformNeutral,
		// What packages for browsers and for Node.js name their entry in.
		MainFields:     []string{"module", "main"},
		Conditions:     []string{"module"},
		Target:         api.ES2023,
		Charset:        api.CharsetUTF8,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		TreeShaking:    api.TreeShakingTrue,
		LogLevel:       api.LogLevelSilent,
		Metafile:       true,
		TsconfigRaw:    options,
		Plugins:        []api.Plugin{libraryPlugin(library), folderPlugin(dir)},
	})
	if len(result.Errors) > 0 {
		return bundled{}, problemsOf(result.Errors)
	}
	var made bundled
	for _, file := range result.OutputFiles {
		switch {
		case strings.HasSuffix(file.Path, ".js.map"):
			if made.places, err = placesOf(file.Contents); err != nil {
				return bundled{}, fmt.Errorf("source map: %w", err)
			}
		case strings.HasSuffix(file.Path, ".js"): // a style sheet that something imports is none
			made.source = string(file.Contents)
		}
	}
	var meta struct {
		Outputs map[string]struct {
			Exports []string `json:"exports"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return bundled{}, fmt.Errorf("what the bundle exports: %w", err)
	}
	for _, output := range meta.Outputs { // of the bundle and its map
		made.exports = append(made.exports, output.Exports...)
	}
	return made, nil
}

// libraryPlugin answers the import of "trama", and says what to do about
// imports that no plugin can have.
func libraryPlugin(library string) api.Plugin {
	return api.Plugin{Name: libraryModule, Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: "^trama$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "trama.js", Namespace: libraryModule, SideEffects: api.SideEffectsFalse}, nil
		})
		build.OnResolve(api.OnResolveOptions{Filter: "^trama:"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			if args.Namespace == libraryModule && args.Path == engineModule {
				return api.OnResolveResult{Path: engineModule, External: true}, nil
			}
			return api.OnResolveResult{}, fmt.Errorf("there is no module %q; import from %q", args.Path, libraryModule)
		})
		build.OnResolve(api.OnResolveOptions{Filter: "^(node:|https?:)"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{}, fmt.Errorf("%q can't be bundled: a plugin has ECMAScript and what %q exports, no Node.js modules and nothing from the network", args.Path, libraryModule)
		})
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: libraryModule}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &library, Loader: api.LoaderJS}, nil
		})
	}}
}

func problemsOf(messages []api.Message) *Error {
	e := new(Error)
	for _, m := range messages {
		p := Problem{Text: m.Text}
		if at := m.Location; at != nil {
			p.File, p.Line, p.Column = filepath.ToSlash(at.File), at.Line, at.Column+1
		}
		if strings.HasPrefix(m.Text, "Could not resolve") && !strings.Contains(m.Text, `"./`) && !strings.Contains(m.Text, `"../`) {
			p.Text += "; a package must be in node_modules beside the plugin (npm install), and a plugin has no Node.js modules"
		}
		e.Problems = append(e.Problems, p)
	}
	return e
}
