// Package sheets_test follows the guide of this directory as a newcomer would,
// and kills the host in the middle of a broadcast.
package sheets_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/examples/guide"
)

// TestGuide runs each command of the guide as it is written there, and finds in
// its output what the guide says.
func TestGuide(t *testing.T) {
	guide.Guide{
		File: "README.md", Root: guide.Checkout(t), Commands: 17, Checks: 12,
		Looks: func(line string) bool {
			return strings.HasPrefix(line, "curl -s http") || strings.Contains(line, " list ")
		},
		Ready: func(line string) string {
			if strings.Contains(line, "serve") {
				return "http://127.0.0.1:8181/readyz"
			}
			return "http://127.0.0.1:8182/"
		},
	}.Follow(t)
}
