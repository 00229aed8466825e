package sandbox

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestHostWordsAreTheHosts: a guest can't say that it can't be called, which
// would make the host wait for it to come back.
func TestHostWordsAreTheHosts(t *testing.T) {
	for text, want := range map[string]string{
		`{"code":"unavailable","message":"m"}`: "plugin_unavailable",
		`{"code":"http_status","message":"m"}`: "http_status",
		`plain text`:                           "error",
	} {
		if got := guestError(text).ABI().Code; got != want {
			t.Errorf("%s gives code %q, want %q", text, got, want)
		}
	}
	if got := newError(KindRefused, "x").ABI().Code; got != abi.CodeUnavailable {
		t.Errorf("the host's own refusal has code %q", got)
	}
}
