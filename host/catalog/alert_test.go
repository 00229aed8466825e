package catalog

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/source"
)

// TestAlerts: an alert is found by its id; without one, the operator's or the
// only one there is.
func TestAlerts(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := openCatalog(t, s)
	for _, step := range []struct {
		name string
		ids  []string // that alerts.yaml has
		want string   // of the default
	}{
		{"none", nil, ""},
		{"the only one", []string{"night"}, "night"},
		{"one of two", []string{"night", "day"}, ""},
		{"the operator's", []string{"night", "operator", "day"}, "operator"},
	} {
		t.Run(step.name, func(t *testing.T) {
			var set Set
			for n, id := range step.ids {
				set.Alerts = append(set.Alerts, Alert{At: source.Place{File: "alerts.yaml", Line: n + 1}, ID: id, Webhook: &AlertWebhook{URL: "https://" + id + ".example.com"}})
			}
			if _, err := c.Apply(t.Context(), set, false); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*Catalog{c, openCatalog(t, s)} { // as it is, and as it is stored
				for _, id := range step.ids {
					if a, err := c.Snapshot().Alert(id); err != nil || a.Webhook.URL != "https://"+id+".example.com" {
						t.Errorf("alert %s: %+v, %v", id, a, err)
					}
				}
				a, err := c.Snapshot().Alert("")
				if a.ID != step.want || (err == nil) != (step.want != "") {
					t.Errorf("the default is %q (%v), want %q", a.ID, err, step.want)
				}
				if _, err := c.Snapshot().Alert("nobody"); err == nil || !strings.Contains(err.Error(), "alerts.yaml") {
					t.Errorf("an alert that is not there: %v", err)
				}
			}
		})
	}
}
