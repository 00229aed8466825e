package problem

import (
	"encoding/json"
	"testing"
	"time"
)

func TestJSON(t *testing.T) {
	busy := Busy("not_stored", "send it again", 90*time.Second)
	busy.RequestID, busy.RunID = "r1", "run1"
	for _, c := range []struct {
		name string
		give *Details
		want map[string]any
	}{
		{"plain", New(404, "no_route", "there is no route GET /x"), map[string]any{
			"type": "about:blank", "status": 404.0, "title": "Not Found", "detail": "there is no route GET /x", "code": "no_route", "retry": false,
		}},
		{"busy", busy, map[string]any{
			"type": "about:blank", "status": 503.0, "title": "Service Unavailable", "detail": "send it again", "code": "not_stored",
			"retry": true, "retry_after": 90.0, "request_id": "r1", "run_id": "run1",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got map[string]any
			if err := json.Unmarshal(c.give.JSON(), &got); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s: got %v, want %v", name, got[name], want)
				}
			}
		})
	}
	if got := New(404, "c", "d").Error(); got != "Not Found: d" {
		t.Errorf("Error: %q", got)
	}
}
