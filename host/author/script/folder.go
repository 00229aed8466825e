package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// folderPlugin keeps a program within its folder, also where a symbolic link, a
// package in a folder above or a path in tsconfig.json leads out: nothing else
// of the machine that builds a plugin gets into it.
func folderPlugin(dir string) api.Plugin {
	return api.Plugin{Name: "folder", Setup: func(build api.PluginBuild) {
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			path, err := filepath.EvalSymlinks(args.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			within, err := filepath.Rel(dir, path)
			if err != nil || !filepath.IsLocal(within) {
				return api.OnLoadResult{}, fmt.Errorf("%s is outside of the plugin's folder, of which alone a plugin is built: copy the file there, or install the package there (npm install)", path)
			}
			return api.OnLoadResult{}, nil // esbuild reads it
		})
	}}
}

// tsconfigFile is what esbuild would look for in all folders above too.
const tsconfigFile = "tsconfig.json"

// tsconfig gives the compiler's options, of the plugin's own folder alone.
func tsconfig(dir string) (string, error) {
	path := filepath.Join(dir, tsconfigFile)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "{}", nil
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", problem("", "%s: it is no file of the plugin's folder, but a link or a folder; put a file there", tsconfigFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal([]byte(plainJSON(string(data))), &options); err != nil {
		return "", problem("", "%s: %v", tsconfigFile, err)
	}
	if _, found := options["extends"]; found {
		return "", problem("", "%s: \"extends\" reads another file; write its options into this one", tsconfigFile)
	}
	return string(data), nil
}

// plainJSON takes out of a tsconfig.json what is not JSON: comments, and commas
// before a closing bracket.
func plainJSON(text string) string {
	var b strings.Builder
	text = strings.TrimPrefix(text, "\ufeff")
	comma := false // one is held back until what follows is known
	for len(text) > 0 {
		n := 1
		switch c := text[0]; {
		case strings.HasPrefix(text, "//"):
			if n = strings.IndexAny(text, "\r\n"); n < 0 {
				n = len(text)
			}
			text = text[n:]
			continue
		case strings.HasPrefix(text, "/*"):
			if n = strings.Index(text[2:], "*/"); n < 0 {
				return b.String() // it has no end, and the JSON none either
			}
			text = text[n+4:]
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			b.WriteByte(c)
			text = text[1:]
			continue
		case c == '"':
			for n < len(text) && text[n] != '"' {
				if text[n] == '\\' {
					n++
				}
				n++
			}
			n = min(n+1, len(text))
		}
		if comma && text[0] != '}' && text[0] != ']' {
			b.WriteByte(',')
		}
		if comma = text[0] == ','; !comma {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}
