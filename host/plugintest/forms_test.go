package plugintest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

// forms is a plugin in each language that sends a form with a field and a file.
var forms = map[string]struct{ file, code string }{
	"c": {"plugin.c", `#include "trama.h"
TRAMA_EXPORT(upload) {
  trama_http_request request = trama_http("POST", trama_str("/files"));
  trama_http_form(&request, (trama_http_part){.name = "title", .body = trama_str("Olá \"Ana\"")});
  trama_http_form(&request, (trama_http_part){
      .name = "file", .filename = trama_str("1.bin"), .type = trama_str("application/x-one"), .body = {"\xff\x00", 2}});
  trama_http_response answer;
  trama_error error;
  if (!trama_http_send(&request, &answer, &error)) return trama_fail_with(&error);
  return trama_output(answer.body);
}
`},
	"js": {"plugin.js", `import { http } from "trama";
export function upload() {
  return http({
    url: "/files",
    parts: [
      { name: "title", body: 'Olá "Ana"' },
      { name: "file", filename: "1.bin", type: "application/x-one", body: new Uint8Array([255, 0]) },
    ],
  }).json();
}
`},
	"assemblyscript": {"assembly/index.ts", `import { Request, fail, reply } from "trama-pdk";
export * from "trama-pdk/exports";
export function upload(): i32 {
  const bytes = new Uint8Array(2);
  bytes[0] = 255;
  const sent = new Request("POST", "/files").field("title", 'Olá "Ana"').file("file", "1.bin", "application/x-one", bytes).send();
  if (!sent.ok) return fail(sent.failure);
  const answer = sent.value.json();
  return answer.ok ? reply(answer.value) : fail(answer.failure);
}
`},
}

// formsManifest has the one operation, whose example is the test.
const formsManifest = `{
  "name": "forms", "version": "1.0.0", "abi": 1, "kind": "connector",
  "operations": [{
    "name": "upload", "effect": "unsafe", "input": {"type": "object"}, "output": {"type": "object"},
    "examples": [{
      "input": {}, "output": {"id": "7"},
      "http": [{
        "request": {"method": "POST", "url": "/files", "parts": [
          {"name": "title", "text": "Olá \"Ana\""},
          {"name": "file", "filename": "1.bin", "type": "application/x-one", "base64": "/wA="}
        ]},
        "response": {"status": 201, "headers": {"content-type": "application/json"}, "body": "{\"id\":\"7\"}"}
      }]
    }]
  }],
  "capabilities": {"egress": ["connection"]}
}`

// TestForms: what the PDKs write of a form with a file arrives as one.
func TestForms(t *testing.T) {
	for language, source := range forms {
		t.Run(language, func(t *testing.T) {
			_, p := build(t, language, abi.KindConnector, "forms", func(dir string) {
				for name, text := range map[string]string{source.file: source.code, "manifest.json": formsManifest} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
			run(t, p, plugintest.Examples(p.Manifest))
		})
	}
}
