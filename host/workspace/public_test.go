package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPublicSettings(t *testing.T) {
	for _, test := range []struct{ document, url, wrong string }{
		{"public_url: https://bots.example.com/", "https://bots.example.com", ""},
		{"public_url: http://10.0.0.7:8080/trama//", "http://10.0.0.7:8080/trama", ""},
		{"{}", "", ""},
		{"public_url: bots.example.com", "", "public_url"},
		{"public_url: ftp://bots.example.com", "", "public_url"},
		{"public_url: https://me:word@bots.example.com", "", "public_url"},
		{"public_url: https://bots.example.com/?x=1", "", "public_url"},
		{"public_url: 'https://:8080'", "", "public_url"},
		{"media: {max: 64MiB, days: 30, url_for: 15m}", "", ""},
		{"media: {max: 2GiB}", "", "media: max: 2GiB is not from 1B to 1GiB"},
		{"media: {days: -1}", "", "media: days: -1"},
		{"media: {url_for: 48h}", "", "48h"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "trama.yaml"), []byte(test.document), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSettings(dir)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v", test.document, err)
		}
		if err == nil && s.PublicURL != test.url {
			t.Errorf("%s: public_url is %q", test.document, s.PublicURL)
		}
		if strings.Contains(test.document, "days: 30") && (s.Media.Keep() != 30*24*time.Hour || time.Duration(s.Media.URLFor) != 15*time.Minute || s.Media.Max != 64<<20) {
			t.Errorf("%s: %+v", test.document, s.Media)
		}
	}
}
