package plugintest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

// parts is a plugin of several files, in C and C++, that share what trama.h has:
// the arena, the input and the output.
var parts = map[string]string{
	"plugin.c": `#include "src/text.h"
TRAMA_EXPORT(shout) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  return answer(loud(twice(trama_json_text(input))));
}
`,
	"src/text.h": `#include "trama.h"
#ifdef __cplusplus
extern "C" {
#endif
trama_text twice(trama_text text);
trama_text loud(trama_text text);
int answer(trama_text text);
#ifdef __cplusplus
}
#endif
`,
	"src/text.c": `#include "text.h"
trama_text twice(trama_text text) { return trama_format("%.*s%.*s", TRAMA_TEXT(text), TRAMA_TEXT(text)); }
`,
	"src/deep/text.c": `#include "src/text.h"
int answer(trama_text text) {
  trama_writer w = {};
  trama_write_text(&w, text);
  return trama_output(w.text);
}
`,
	"loud.cpp": `#include "src/text.h"
struct Letter {
  char c;
  char up() const { return c >= 'a' && c <= 'z' ? c - 32 : c; }
};
trama_text loud(trama_text text) {
  char *all = new char[text.size];
  for (size_t i = 0; i < text.size; i++) all[i] = Letter{text.data[i]}.up();
  return {all, text.size};
}
`,
	"tests/native.c": "#include <stdio.h>\nint main(void) { return puts(\"no part of the plugin\"); }\n",
	"manifest.json": `{
  "name": "parts", "version": "1.0.0", "abi": 1, "kind": "connector",
  "operations": [{
    "name": "shout", "effect": "pure", "input": {"type": "string"}, "output": {"type": "string"},
    "examples": [{"input": "oi", "output": "OIOI"}]
  }]
}`,
}

// TestParts: a project in C may have several files.
func TestParts(t *testing.T) {
	_, p := build(t, "c", abi.KindConnector, "parts", func(dir string) {
		for name, text := range parts {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	long := strings.Repeat("x", 400_000) // grows memory, in one file and then in another
	run(t, p, append(plugintest.Examples(p.Manifest), plugintest.Case{
		Name: "long", Operation: "shout", InputText: new(`"` + long + `"`), OutputText: new(`"` + strings.ToUpper(long+long) + `"`),
	}))
}
