package telemetry

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// lines gives what Prometheus would read of one metric.
func lines(t *testing.T, m *Metrics, name string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	var found []string
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, name) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

func TestMetrics(t *testing.T) {
	m := New(func() []Plugin {
		return []Plugin{{"xml", "ready", true, 0}, {"xml", "retired", false, 3}, {"xml", "retired", true, 4}, {"acme", "pending", false, 0}}
	})
	m.Called("xml", "", 1000, 30*time.Microsecond, 1<<20)
	m.Called("xml", "", 500, 50*time.Microsecond, 2<<20)
	m.Called("xml", abi.CodeTrap, 7, time.Second, 3<<20)
	m.Called("xml", abi.CodeUnavailable, 0, 0, 0) // nothing ran
	for i := range 100 {
		m.Called("acme", fmt.Sprint("code of its own ", i), 1, time.Microsecond, 1)
	}
	for _, test := range []struct{ name, want string }{
		{"trama_plugin_calls_total", "trama_plugin_calls_total{plugin=\"acme\"} 100\ntrama_plugin_calls_total{plugin=\"xml\"} 4"},
		{"trama_plugin_failures_total", "trama_plugin_failures_total{code=\"plugin\",plugin=\"acme\"} 100\n" +
			"trama_plugin_failures_total{code=\"trap\",plugin=\"xml\"} 1\ntrama_plugin_failures_total{code=\"unavailable\",plugin=\"xml\"} 1"},
		{`trama_plugin_fuel_total{plugin="xml"}`, `trama_plugin_fuel_total{plugin="xml"} 1507`},
		{`trama_plugin_guest_seconds_count{plugin="xml"}`, `trama_plugin_guest_seconds_count{plugin="xml"} 3`},
		{`trama_plugin_guest_seconds_bucket{plugin="xml",le="4e-05"}`, `trama_plugin_guest_seconds_bucket{plugin="xml",le="4e-05"} 1`},
		{`trama_plugin_memory_bytes{plugin="xml"}`, `trama_plugin_memory_bytes{plugin="xml"} 3.145728e+06`},
		{"trama_plugin_contents", "trama_plugin_contents{plugin=\"acme\",state=\"pending\"} 1\n" +
			"trama_plugin_contents{plugin=\"xml\",state=\"ready\"} 1\ntrama_plugin_contents{plugin=\"xml\",state=\"retired\"} 2"},
		{"trama_plugin_loaded", "trama_plugin_loaded{plugin=\"acme\"} 0\ntrama_plugin_loaded{plugin=\"xml\"} 2"},
		{`trama_plugin_retired_sessions{plugin="xml"}`, `trama_plugin_retired_sessions{plugin="xml"} 7`},
	} {
		if got := lines(t, m, test.name); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
	if lines(t, m, "go_goroutines") == "" {
		t.Error("nothing of the process")
	}
}
