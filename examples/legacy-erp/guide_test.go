// Package erp_test follows the guide of this directory as a reader would.
package erp_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/examples/guide"
)

// TestGuide runs each command of the guide as it is written there, and finds in
// its output what the guide says.
func TestGuide(t *testing.T) {
	guide.Guide{
		File: "README.md", Root: guide.Checkout(t), Commands: 7, Checks: 5,
		Looks: func(line string) bool { return strings.HasPrefix(line, "curl ") },
		Ready: func(line string) string {
			if strings.Contains(line, "serve") {
				return "http://127.0.0.1:8097/readyz"
			}
			return "http://127.0.0.1:8098/"
		},
	}.Follow(t)
}
