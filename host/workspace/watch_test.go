package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWatchingSettings(t *testing.T) {
	for text, want := range map[string]string{
		"call_log: {days: 3, bytes: 64MiB, bodies: false}": "",
		"call_log: {off: true}":                            "",
		"otel: {endpoint: \"https://c.example\", headers: {Authorization: otel_token}, share: 0.5}": "",
		"call_log: {days: -1}":                             "days: -1",
		"call_log: {bytes: 5KiB}":                          "too little",
		"call_log: {day: 1}":                               "day",
		"otel: {endpoint: localhost}":                      "not the URL",
		"otel: {endpoint: \"http://user:pass@localhost\"}": "not the URL",
		"otel: {share: 0.5}":                               "endpoint is missing",
		"otel: {endpoint: \"http://localhost\", share: 2}": "share: 2",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "trama.yaml"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSettings(dir)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if strings.Contains(text, "64MiB") && (s.CallLog.Bytes != 64<<20 || s.CallLog.Bodies == nil || *s.CallLog.Bodies) {
			t.Errorf("%s: read as %+v", text, s.CallLog)
		}
		if err != nil && strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: the error has what is secret: %v", text, err)
		}
	}
}
