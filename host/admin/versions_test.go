package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/pdk/abi"
)

// TestVersionsAPI: what the endpoints of versions answer, and refuse.
func TestVersionsAPI(t *testing.T) {
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	objects, err := catalog.Open(t.Context(), s, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	document := func(body string) string {
		return `{"schema": 1, "id": "hello", "triggers": [{"id": "start", "type": "gateway"}], "nodes": [{"id": "reply", "type": "response.json", "with": {"body": "` + body + `"}}], "edges": [{"from": "start", "to": "reply"}]}`
	}
	config := Config{
		Token: "t", Store: s, Catalog: objects, SecretValues: func() []string { return nil },
		Held: func(catalog.Flow) *abi.Error { return nil },
		Sessions: func(context.Context) (run.Counts, error) {
			return run.Counts{Flows: map[string]map[int]int{"hello": {1: 7}}}, nil
		},
	}
	ask := func(config Config, method, path, body string) (int, string) {
		t.Helper()
		app := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
			details, ok := err.(*problem.Details)
			if !ok {
				t.Fatalf("%s %s: %v is no problem", method, path, err)
			}
			return c.Status(details.Status).SendString(details.Code + ": " + details.Detail)
		}})
		Mount(app, config)
		q := httptest.NewRequest(method, path, strings.NewReader(body))
		q.Header.Set("Authorization", "Bearer t")
		a, err := app.Test(q, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		data, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(data)
	}
	files := func(texts map[string]string) string {
		data, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	fromFile, err := flow.Parse("flows/owned.yaml", []byte(strings.Replace(document("x"), `"hello"`, `"owned"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Apply(t.Context(), catalog.Set{Flows: []*flow.Flow{fromFile}}, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/v1/flows", files(map[string]string{"a.json": document("one")}), 200, `"action":"created","origin":{"origin":"api"},"version":1`},
		{"POST", "/v1/flows", files(map[string]string{"a.json": document("one")}), 200, "[]"},
		{"PUT", "/v1/flows/hello", document("two"), 200, `"version":2`},
		{"POST", "/v1/flows", files(map[string]string{"a.json": document("three"), "b.json": document("four")}), 422, `invalid: b.json:1:1: flow "hello" is in `},
		{"POST", "/v1/flows", files(map[string]string{"a.json": document("three"), "b.json": "{}"}), 422, "b.json:1"},
		{"POST", "/v1/flows", files(map[string]string{"a.json": document("three"), "b.json": strings.Replace(document("y"), `"hello"`, `"owned"`, 1)}), 409, "owned_by_file: flow/owned comes from flows/owned.yaml:1"},
		{"POST", "/v1/flows", "[1]", 400, "bad_json"},
		{"GET", "/v1/flows/hello/versions", "", 200, `"origin":{"origin":"api"},"current":false,"sessions":7}`},
		{"GET", "/v1/flows/hello/versions", "", 200, `"origin":{"origin":"api"},"current":true,"sessions":0}`},
		{"GET", "/v1/flows/none/versions", "", 404, "no_flow"},
		{"GET", "/v1/flows/hello/versions/1", "", 200, `"with":{"body":"one"}`},
		{"GET", "/v1/flows/hello/versions/3", "", 404, "no_version"},
		{"GET", "/v1/flows/hello/versions/x", "", 400, "invalid"},
		{"GET", "/v1/flows/hello/diff", "", 200, `{"id":"hello","from":1,"to":2,"differences":[{"part":"node","name":"reply","action":"changed","fields":[{"field":"with.body","from":"one","to":"two"}]}]}`},
		{"GET", "/v1/flows/hello/diff?from=2&to=1", "", 200, `"from":"two","to":"one"`},
		{"GET", "/v1/flows/hello/diff?to=1", "", 404, "version 1 is the first"},
		{"GET", "/v1/flows/hello/diff?from=0", "", 400, "invalid"},
		{"GET", "/v1/flows/hello/diff?to=9", "", 404, "no_version"},
		{"GET", "/v1/flows/none/diff", "", 404, "no_flow"},
		{"POST", "/v1/flows/hello/rollback", "", 200, `"version":1,"origin":{"origin":"api"},"rolled_back":{"from":2,`},
		{"POST", "/v1/flows/hello/rollback", "", 409, "first_version"},
		{"POST", "/v1/flows/hello/rollback", `{"to": 9}`, 404, "no_version"},
		{"POST", "/v1/flows/hello/rollback", `{"to": "2"}`, 400, "bad_json"},
		{"POST", "/v1/flows/none/rollback", "", 404, "no_flow"},
		{"GET", "/v1/flows", "", 200, `"rolled_back":{"from":2,`},
		{"POST", "/v1/flows/hello/rollback", `{"to": 2}`, 200, `"version":2,"origin":{"origin":"api"},"document"`},
	} {
		status, answer := ask(config, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s %s %s:\n%d %s\nwant %d with %s", c.method, c.path, c.body, status, answer, c.status, c.says)
		}
	}
}
