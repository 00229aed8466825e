package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"pgregory.net/rapid"
)

// open gives whether a time_interval is inside at an instant.
func open(t testing.TB, with string) func(at time.Time) bool {
	t.Helper()
	programs := engine.Programs{"f": compile(t, []byte(fmt.Sprintf(`
schema: 1
id: f
triggers: [{id: start, type: gateway}]
nodes: [{id: open, type: time_interval, with: {%s}}]
edges: [{from: start, to: open}]
`, with)))}
	return func(at time.Time) bool {
		out, err := programs.Advance(engine.Session{ID: "s", Caller: true, Run: &engine.Run{Flow: "f"}},
			engine.Event{Now: at, Start: &engine.Start{Trigger: "start"}})
		if err != nil || len(out.Steps) != 1 || !slices.Contains([]string{flow.PortInside, flow.PortOutside}, out.Steps[0].Port) {
			t.Fatalf("at %s: %+v, %v", at, out, err)
		}
		return out.Steps[0].Port == flow.PortInside
	}
}

func TestInterval(t *testing.T) {
	const (
		office = `zone: America/Sao_Paulo, days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"`
		night  = `zone: America/Sao_Paulo, days: [fri, sat], from: "22:00", to: "06:00", holidays: [2026-12-26]`
		berlin = `zone: Europe/Berlin, from: "02:15", to: "02:45"`
	)
	tests := []struct {
		with, at string
		want     bool
		comment  string
	}{
		{office, "2026-12-21T09:00:00-03:00", true, "Monday, the first moment"},
		{office, "2026-12-21T08:59:59-03:00", false, ""},
		{office, "2026-12-21T17:59:59-03:00", true, "the last second"},
		{office, "2026-12-21T18:00:00-03:00", false, ""},
		{office, "2026-12-21T12:00:00Z", true, "09:00 there"},
		{office, "2026-12-20T12:00:00-03:00", false, "Sunday"},
		{office + `, holidays: [12-21]`, "2026-12-21T12:00:00-03:00", false, "a holiday of every year"},
		{office + `, holidays: [2025-12-21]`, "2026-12-21T12:00:00-03:00", true, "of another year"},
		{office + `, holidays: ["21/12/2026"]`, "2026-12-21T12:00:00-03:00", false, ""},

		{night, "2026-12-18T22:00:00-03:00", true, "Friday night"},
		{night, "2026-12-19T05:59:00-03:00", true, "until Saturday morning"},
		{night, "2026-12-19T06:00:00-03:00", false, ""},
		{night, "2026-12-20T05:00:00-03:00", true, "Saturday night, on Sunday"},
		{night, "2026-12-20T23:00:00-03:00", false, "Sunday night"},
		{night, "2026-12-18T05:00:00-03:00", false, "Thursday night"},
		{night, "2026-12-26T05:00:00-03:00", true, "the night goes on into a holiday"},
		{night, "2026-12-26T23:00:00-03:00", false, "and none begins on it"},
		{night, "2026-12-27T05:00:00-03:00", false, "so it doesn't go on either"},

		{"", "2026-12-20T00:00:00Z", true, "always"},
		{"days: [sun]", "2026-12-20T23:59:59Z", true, "a whole day"},
		{"days: [sun]", "2026-12-21T00:00:00Z", false, ""},
		{"days: [sun]", "2026-12-20T22:00:00-03:00", false, "Monday in UTC"},
		{`from: "18:00", to: "00:00"`, "2026-12-20T23:59:00Z", true, "until midnight"},
		{`from: "18:00", to: "24:00"`, "2026-12-20T00:00:00Z", false, ""},
		{`holidays: [02-29]`, "2028-02-29T00:00:00Z", false, "in leap years"},

		// In Berlin the clock shows no 02:00 to 03:00 on 2026-03-29, and shows
		// it twice on 2026-10-25.
		{berlin, "2026-03-28T01:30:00Z", true, "a usual day"},
		{berlin, "2026-03-29T00:59:59Z", false, "01:59:59, before the gap"},
		{berlin, "2026-03-29T01:00:00Z", false, "03:00, behind it"},
		{berlin, "2026-03-29T01:30:00Z", false, "03:30"},
		{berlin, "2026-10-25T00:30:00Z", true, "02:30 in summer time"},
		{berlin, "2026-10-25T00:50:00Z", false, "02:50 in summer time"},
		{berlin, "2026-10-25T01:30:00Z", true, "02:30 once more"},
		{`zone: Europe/Berlin, from: "02:30", to: "04:00"`, "2026-03-29T01:00:00Z", true, "a begin in the gap is behind it"},
		// In São Paulo midnight was left out on 2018-11-04.
		{`zone: America/Sao_Paulo, days: [sun], from: "00:00", to: "02:00"`, "2018-11-04T03:00:00Z", true, "01:00, the day's first"},
		{`zone: America/Sao_Paulo, days: [sat], from: "22:00", to: "01:00"`, "2018-11-04T03:00:00Z", false, "01:00"},
		// Apia had no 2011-12-30.
		{`zone: Pacific/Apia, days: [fri], from: "22:00", to: "02:00"`, "2011-12-30T11:00:00Z", true, "Saturday 01:00, after a Friday that was none"},
	}
	for _, test := range tests {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(t, test.with)(at); got != test.want {
			t.Errorf("{%s} at %s: inside %t, want %t: %s", test.with, test.at, got, test.want, test.comment)
		}
	}
}

// TestIntervalAndItsRest: of an interval and what is left of the day, exactly
// one is inside, in any zone at any instant.
func TestIntervalAndItsRest(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns"}).Draw(t, "zone")
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		to := rapid.IntRange(0, 24*60-1).Filter(func(to int) bool { return to != from }).Draw(t, "to")
		write := func(from, to int) string {
			return fmt.Sprintf(`zone: %s, from: "%02d:%02d", to: "%02d:%02d"`, zone, from/60, from%60, to/60, to%60)
		}
		at := time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "at"), 0)
		if open(outer, write(from, to))(at) == open(outer, write(to, from))(at) {
			t.Fatalf("%s and its rest are the same at %s", write(from, to), at)
		}
	})
}
