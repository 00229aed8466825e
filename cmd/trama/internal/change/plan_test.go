package change

import (
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/workspace"
)

// TestPlanOpens: a plan marks what opens a route to anyone, with who may call
// before and after.
func TestPlanOpens(t *testing.T) {
	got := planText([]catalog.Change{
		{Object: "gateway/gateway", Action: "removed", Origin: catalog.Origin{Kind: "file", File: "gateway.yaml", Line: 1}, Access: []catalog.Access{
			{Route: "GET /stock", Before: "any client", After: "anyone", Opens: true},
			{Route: "POST /orders", Before: "only client erp", After: "anyone", Opens: true}}},
		{Object: "route/GET /new", Action: "created", Origin: catalog.Origin{Kind: "api"}, Access: []catalog.Access{{Route: "GET /new", After: "any client"}}},
	})
	const want = `- gateway/gateway  (gateway.yaml:1)  OPENS TO ANYONE: GET /stock, POST /orders
    who may call GET /stock: any client -> anyone
    who may call POST /orders: only client erp -> anyone
+ route/GET /new  (api)
    who may call GET /new: any client

1 to create, 0 to change, 1 to remove: nothing was changed
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCaution: a directory that is a part of a workspace would remove the rest.
func TestCaution(t *testing.T) {
	removed := func(file string) catalog.Change {
		return catalog.Change{Object: "x/y", Action: "removed", Origin: catalog.Origin{Kind: "file", File: file, Line: 1}}
	}
	changes := []catalog.Change{removed("routes.yaml"), removed("routes.yaml"), removed("flows/a.yaml"), removed("flows/b.yaml"), {Object: "alert/a", Action: "updated", Origin: catalog.Origin{Kind: "file", File: "alerts.yaml"}}}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"subscriptions.yaml"}, "CAUTION: 4 are removed because there is no flows/*.yaml, no routes.yaml in the directory; give the whole workspace to keep them\n"},
		{[]string{"flows/c.yaml"}, "CAUTION: 2 are removed because there is no routes.yaml in the directory; give the whole workspace to keep them\n"},
		{[]string{"flows/c.yaml", "routes.yaml"}, ""},
	} {
		files := workspace.Files{}
		for _, name := range c.files {
			files[name] = nil
		}
		if got := caution(changes, files); got != c.want {
			t.Errorf("%q: %q, want %q", c.files, got, c.want)
		}
	}
}
