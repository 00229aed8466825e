package script_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author/script"
)

// TestFolder: what lies outside of a plugin's folder doesn't get into it.
func TestFolder(t *testing.T) {
	const refused = "is outside of the plugin's folder"
	for _, test := range []struct {
		name  string
		files map[string]string // the plugin's folder is p
		links map[string]string // what they lead to, in the same folder as p
		want  string            // in the error; none if empty
	}{
		{"a file above", map[string]string{"p/plugin.ts": `import key from "../key.txt"; export const run = () => key`, "key.txt": "k"}, nil, refused},
		{"a module above", map[string]string{"p/plugin.ts": `import { key } from "../lib"; export const run = () => key`, "lib.ts": "export const key = 1"}, nil, refused},
		{"a package above", map[string]string{"p/plugin.ts": `import key from "lib"; export const run = () => key`, "node_modules/lib/index.js": "export default 1"}, nil, refused},
		{"a package that leaves", map[string]string{"p/plugin.ts": `import key from "lib"; export const run = () => key`, "p/node_modules/lib/index.js": `export { default } from "../../../key.txt"`, "key.txt": "k"}, nil, refused},
		{"a file by a link", map[string]string{"p/plugin.ts": `import key from "./key.txt"; export const run = () => key`, "key.txt": "k"}, map[string]string{"p/key.txt": "key.txt"}, refused},
		{"a package by a link", map[string]string{"p/plugin.ts": `import key from "lib"; export const run = () => key`, "p/node_modules/x": "", "lib/index.js": "export default 1"}, map[string]string{"p/node_modules/lib": "lib"}, refused},
		{"a name that begins alike", map[string]string{"p/plugin.ts": `import key from "../p2/key.txt"; export const run = () => key`, "p2/key.txt": "k"}, nil, refused},
		{"a path of tsconfig.json", map[string]string{"p/plugin.ts": `import key from "@/key.txt"; export const run = () => key`, "p/tsconfig.json": `{"compilerOptions":{"paths":{"@/*":["../*"]}}}`, "key.txt": "k"}, nil, refused},
		{"a tsconfig.json with extends", map[string]string{"p/plugin.ts": `export const run = () => 1`, "p/tsconfig.json": `{"\u0065xtends":"../base.json"}`, "base.json": "{}"}, nil, `"extends" reads another file`},
		{"a tsconfig.json by a link", map[string]string{"p/plugin.ts": `export const run = () => 1`, "base.json": "{}"}, map[string]string{"p/tsconfig.json": "base.json"}, "tsconfig.json: it is no file"},
		{"a tsconfig.json that is none", map[string]string{"p/plugin.ts": `export const run = () => 1`, "p/tsconfig.json": `{"compilerOptions":`}, nil, "tsconfig.json: unexpected end of JSON input"},
		{"a tsconfig.json of its own", map[string]string{
			"p/plugin.ts": `import key from "@/key.txt"; export const run = () => key`, "p/lib/key.txt": "k",
			"p/tsconfig.json": "{ // paths\n\"compilerOptions\": {/* \"extends\" */ \"paths\": {\"@/*\": [\"./lib/*\", ], }, },\n}\n",
		}, nil, ""},
		{"a link within", map[string]string{"p/plugin.ts": `import key from "lib"; export const run = () => key`, "p/store/lib/index.js": "export default 1", "p/node_modules/x": ""}, map[string]string{"p/node_modules/lib": "p/store/lib"}, ""},
		{"a folder by a link", map[string]string{"q/plugin.ts": `import key from "./key.txt"; export const run = () => key`, "q/key.txt": "k"}, map[string]string{"p": "q"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := project(t, test.files)
			for link, to := range test.links {
				if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := script.Build(t.Context(), os.DirFS(pdk+"/js"), filepath.Join(dir, "p", "plugin.ts"), manifestOf(t, "run"))
			var e *script.Error
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v\nwant %s", err, test.want)
			}
		})
	}
}

// TestFolderAbove: a tsconfig.json above changes nothing.
func TestFolderAbove(t *testing.T) {
	code := "class A { x; constructor() { this.y = 'x' in this; } } export const run = () => new A().y"
	dir := project(t, map[string]string{"p/plugin.ts": code, "tsconfig.json": `{"compilerOptions":{"useDefineForClassFields":false}}`})
	path := build(t, filepath.Join(dir, "p", "plugin.ts"), manifestOf(t, "run"))
	if output, failure := call(t, open(t, path), "run", "null"); output != "true" || failure != "" {
		t.Errorf("%s, %s", output, failure)
	}
}

// TestProblemText: what a program throws reaches a terminal spelt out.
func TestProblemText(t *testing.T) {
	p := script.Problem{File: "a\x1bb.js", Line: 1, Column: 2, Text: "red \x1b[31m, \u009b, \u202e, \xff; café\n\tnext"}
	if got, want := p.String(), "a\\u001bb.js:1:2: red \\u001b[31m, \\u009b, \\u202e, \ufffd; café\n\tnext"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
