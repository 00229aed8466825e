package telemetry

import (
	"testing"
	"time"
)

// TestWork: what comes in, runs and goes out is counted under names that are
// bounded, whatever strangers ask for.
func TestWork(t *testing.T) {
	m := New(func() []Plugin { return nil })
	m.Requested("POST /x", 201, 3*time.Millisecond)
	m.Requested("POST /x", 204, time.Second)
	m.Requested("", 404, time.Millisecond)
	m.Requested("", 999, time.Millisecond)
	m.Hooked("shop", "taken", 200)
	m.Hooked("shop", "signature", 401)
	m.Hooked("", "", 404)
	m.Ran("talk", "failed", time.Minute)
	m.Delivered("alert", "again")
	m.Committed(time.Millisecond, "")
	m.Committed(time.Second, "no_space")
	m.Watch(func() Condition {
		return Condition{
			Queues:   []Queue{{Name: "intake", Waiting: 3, Due: 2, Age: 90 * time.Second}},
			Breakers: map[string]int{"closed": 4, "open": 1}, Open: []string{"alert ops"},
			DeadLetters: 5, DiskFree: -1, CallsLost: 6, RunsLost: 7,
		}
	})
	for name, want := range map[string]string{
		"trama_requests_total":             "trama_requests_total{route=\"POST /x\",status=\"2xx\"} 2\ntrama_requests_total{route=\"none\",status=\"4xx\"} 1\ntrama_requests_total{route=\"none\",status=\"none\"} 1",
		"trama_request_seconds_count":      "trama_request_seconds_count{route=\"POST /x\"} 2\ntrama_request_seconds_count{route=\"none\"} 2",
		"trama_webhooks_total":             "trama_webhooks_total{channel=\"none\",code=\"none\",status=\"4xx\"} 1\ntrama_webhooks_total{channel=\"shop\",code=\"signature\",status=\"4xx\"} 1\ntrama_webhooks_total{channel=\"shop\",code=\"taken\",status=\"2xx\"} 1",
		"trama_runs_total":                 `trama_runs_total{flow="talk",result="failed"} 1`,
		"trama_run_seconds_sum":            `trama_run_seconds_sum{flow="talk"} 60`,
		"trama_delivery_attempts_total":    `trama_delivery_attempts_total{lane="alert",result="again"} 1`,
		"trama_store_commit_seconds_count": `trama_store_commit_seconds_count 2`,
		"trama_store_failures_total":       `trama_store_failures_total{reason="no_space"} 1`,
		"trama_queue_":                     "trama_queue_age_seconds{queue=\"intake\"} 90\ntrama_queue_due{queue=\"intake\"} 2\ntrama_queue_waiting{queue=\"intake\"} 3",
		"trama_breakers":                   "trama_breakers{state=\"closed\"} 4\ntrama_breakers{state=\"open\"} 1",
		"trama_breaker_open":               `trama_breaker_open{endpoint="alert ops"} 1`,
		"trama_dead_letters":               "trama_dead_letters 5",
		"trama_store_free_bytes":           "", // not known
		"trama_call_log_dropped_total":     "trama_call_log_dropped_total 6",
		"trama_run_records_dropped_total":  "trama_run_records_dropped_total 7",
	} {
		if got := lines(t, m, name); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}
