// Package app_test runs the tests of this directory's flows. HubSpot itself is
// played in host/hubspot_app_test.go.
package app_test

import (
	"os/exec"
	"testing"

	"github.com/trama-run/trama/examples/guide"
)

func TestFlows(t *testing.T) {
	test := exec.Command("build/trama", "flow", "test", "examples/hubspot-app")
	test.Dir = guide.Checkout(t)
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
