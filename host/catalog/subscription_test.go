package catalog

import (
	"strings"
	"testing"
)

// TestNeverReached: an address that no delivery goes to is refused where it is
// written, with every other mistake.
func TestNeverReached(t *testing.T) {
	for url, want := range map[string]string{
		"https://crm.example.com/hook":     "",
		"https://10.1.2.3/hook":            "", // if the host allows it
		"http://169.254.169.254/latest":    "169.254.169.254 is a link-local, metadata",
		"https://[fe80::1]/hook":           "fe80::1 is a link-local, metadata",
		"https://[::ffff:169.254.1.1]/x":   "write 169.254.1.1",
		"https://metadata.example.com/a#b": "a fragment",
	} {
		got := ""
		if problems := (Subscription{ID: "crm", URL: url, Events: []string{"message"}}).Check(); len(problems) > 0 {
			got = problems.Error()
		}
		if !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
