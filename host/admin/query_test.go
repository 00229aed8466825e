package admin

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/problem"
)

// TestQuery: what the table doesn't know of a query or a method is refused,
// and the refusal says what it does know.
func TestQuery(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/v1/routes", 200, "[]"},
		{"GET", "/v1/routes?flow=a", 400, `"flow"`},
		{"GET", "/v1/audit?limit=3", 200, "["},
		{"GET", "/v1/audit?limit=abc", 400, `limit: "abc"`},
		{"GET", "/v1/audit?limit=1e2", 400, "limit"},
		{"GET", "/v1/audit?limit=0", 400, "limit"},
		{"GET", "/v1/audit?statsu=403", 400, "it takes limit before"},
		{"GET", "/v1/contacts?with_human=yes", 400, "true or false"},
		{"GET", "/v1/contacts?variables=1", 400, "true or false"},
		{"GET", "/v1/contacts?merged_since=today", 400, "not a time"},
		{"DELETE", "/v1/routes/x?force=1", 400, "takes no parameters"},
		{"GET", "/v1/nothing", 404, "no_path"},
	} {
		status, body := r.ask(fileToken, c.method, c.path, "")
		if status != c.status || !strings.Contains(strings.ReplaceAll(body, ", ", " "), c.says) {
			t.Errorf("%s %s: %d %s, want %d, %q", c.method, c.path, status, body, c.status, c.says)
		}
	}
}

func TestOtherMethod(t *testing.T) {
	var allow []string
	app := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		details, ok := err.(*problem.Details)
		if !ok {
			t.Fatal(err)
		}
		allow = details.Allow
		return c.SendStatus(details.Status)
	}})
	r := newRig(t)
	a := newAPI(r.config)
	a.mount(app, a.endpoints())
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"PATCH", "/v1/runs", 405, "GET"},
		{"POST", "/v1/runs/some/", 405, "GET"},
		{"PUT", "/v1/routes", 405, "GET, POST"},
		{"POST", "/v1/routes/GET%20%2Fa", 405, "GET, PUT, DELETE"},
		{"PATCH", "/v1/dead-letters/replay", 405, "POST, GET, DELETE"}, // it may be one's id
		{"POST", "/v1/contacts/whatsapp/55/1", 405, "GET, PATCH, DELETE, PUT"},
		{"PATCH", "/v1/Runs", 404, ""},
		{"PATCH", "/v1", 404, ""},
		{"PATCH", "/other", 404, ""},
	} {
		allow = nil
		q := httptest.NewRequest(c.method, c.path, nil)
		q.Header.Set("Authorization", "Bearer "+fileToken)
		answer, err := app.Test(q, -1)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := strings.Join(allow, ", "); answer.StatusCode != c.status || got != c.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", c.method, c.path, answer.StatusCode, got, c.status, c.allow)
		}
	}
}
