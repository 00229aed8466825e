package run

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

// scheduled is a flow that leaves its event as its result, by a trigger.
func scheduled(id, trigger string) string {
	return fmt.Sprintf(`schema: 1
id: %s
triggers: [{id: tick, type: schedule, %s}]
nodes: [{id: stop, type: end, with: {result: "{{ input.scheduled_at }} {{ input.missed }}"}}]
edges: [{from: tick, to: stop}]
`, id, trigger)
}

// fired gives the results of a flow's runs: when they were scheduled, and how
// many instants were missed.
func (r *rig) fired(flow string) (all []string) {
	r.Helper()
	for _, record := range r.records() {
		if record.Flow == flow {
			all = append(all, fmt.Sprint(record.Result))
		}
	}
	return all
}

func (r *rig) wantFired(flow string, want ...string) {
	r.Helper()
	if got := r.fired(flow); fmt.Sprint(got) != fmt.Sprint(want) {
		r.Errorf("at %s: %s fired %q, want %q", r.now.Format(time.DateTime), flow, got, want)
	}
}

func (r *rig) setSchedules() {
	r.Helper()
	if err := r.runner.SetSchedules(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.work()
}

// pass lets time pass, and works at its end: what was due in between is missed
// if it is long ago.
func (r *rig) pass(d time.Duration) {
	r.Helper()
	r.now = r.now.Add(d)
	r.work()
}

func TestSchedule(t *testing.T) {
	r := newRig(t, scheduled("daily", `cron: "30 9 * * *", zone: America/Sao_Paulo`), scheduled("often", "every: 20m, missed: skip"),
		scheduled("once", "at: [2026-02-02T09:00, 2026-02-03T00:00]"), scheduled("past", "at: 2020-01-01T00:00"))
	r.setSchedules()
	r.setSchedules() // once more does nothing
	for range 16 {   // hours; it is 08:00 UTC
		for range 6 {
			r.pass(10 * time.Minute)
		}
	}
	r.wantFired("daily", "2026-02-02T09:30:00-03:00 0")
	if got := r.fired("often"); len(got) != 48 || got[0] != "2026-02-02T08:20:00Z 0" || got[47] != "2026-02-03T00:00:00Z 0" {
		t.Errorf("often fired %d times: %q", len(got), got)
	}
	r.wantFired("once", "2026-02-02T09:00:00Z 0", "2026-02-03T00:00:00Z 0")
	r.wantFired("past")
	list, err := r.runner.Schedules(t.Context())
	if err != nil || len(list) != 4 {
		t.Fatalf("%+v, %v", list, err)
	}
	if d := list[0]; d.Flow != "daily" || !d.Next.Equal(time.Date(2026, 2, 3, 12, 30, 0, 0, time.UTC)) || !d.Last.Equal(time.Date(2026, 2, 2, 12, 30, 0, 0, time.UTC)) {
		t.Errorf("daily stands at %+v", d)
	}
	if p := list[3]; p.Flow != "past" || !p.Next.IsZero() || !p.Last.IsZero() {
		t.Errorf("past stands at %+v", p)
	}
	record := r.records()[0]
	if record.Trigger != "tick" || record.Key != "run:"+record.ID {
		t.Errorf("the run's record is %+v", record)
	}
}

// TestScheduleMissed: what becomes of instants that pass while nothing works.
func TestScheduleMissed(t *testing.T) {
	r := newRig(t, scheduled("once", "every: 1h"), scheduled("skip", "every: 1h, missed: skip"), scheduled("all", "every: 1h, missed: run_all"))
	r.setSchedules()
	r.pass(4*time.Hour + 30*time.Minute)
	r.wantFired("once", "2026-02-02T12:00:00Z 3")
	r.wantFired("skip")
	r.wantFired("all", "2026-02-02T09:00:00Z 0", "2026-02-02T10:00:00Z 0", "2026-02-02T11:00:00Z 0", "2026-02-02T12:00:00Z 0")
	r.pass(30 * time.Minute)
	r.wantFired("once", "2026-02-02T12:00:00Z 3", "2026-02-02T13:00:00Z 0")
	r.wantFired("skip", "2026-02-02T13:00:00Z 4")
	r.pass(time.Hour + 50*time.Second) // late, but not missed
	r.wantFired("skip", "2026-02-02T13:00:00Z 4", "2026-02-02T14:00:00Z 0")
	before := len(r.fired("all"))
	r.pass(200 * time.Hour)
	all := r.fired("all")[before:]
	if len(all) != maxMissed || all[0] != "2026-02-06T19:00:00Z 100" || all[maxMissed-1] != "2026-02-10T22:00:00Z 0" {
		t.Errorf("all made up for %d: %q", len(all), all)
	}
}

// TestScheduleHeld: while its flow can't run, a schedule waits; what it missed
// is its own to decide.
func TestScheduleHeld(t *testing.T) {
	r := newRig(t, `schema: 1
id: calls
triggers: [{id: tick, type: schedule, every: 1h}]
nodes: [{id: go, type: slow.go}, {id: stop, type: end, with: {result: "{{ trigger.missed }}"}}]
edges: [{from: tick, to: go}, {from: go, to: stop}]
`)
	r.setSchedules()
	r.gone = true
	for range 5 {
		r.pass(45 * time.Minute)
	}
	r.wantFired("calls")
	r.gone = false
	r.pass(time.Minute)
	r.wantFired("calls", "2")
}

// TestScheduleClockAhead: a clock that was ahead for a while stops no schedule,
// fires nothing of a list again, and one that is set by seconds does nothing.
func TestScheduleClockAhead(t *testing.T) {
	r := newRig(t, scheduled("every", "every: 1h"), scheduled("skip", "every: 1h, missed: skip"), scheduled("cron", `cron: "0 10 * * *"`), scheduled("list", "at: [2026-02-02T09:00]"))
	r.setSchedules()
	r.pass(time.Hour) // it is 09:00
	r.pass(-5 * time.Second)
	r.open()
	r.setSchedules()
	r.pass(10 * time.Second)
	r.wantFired("every", "2026-02-02T09:00:00Z 0")
	r.wantFired("list", "2026-02-02T09:00:00Z 0")
	year := 365 * 24 * time.Hour
	r.pass(year + 30*time.Minute)
	before := map[string]int{}
	for _, flow := range []string{"every", "skip", "cron", "list"} {
		before[flow] = len(r.fired(flow))
	}
	r.pass(-year)
	r.open()
	r.setSchedules()
	for range 24 {
		r.pass(30 * time.Minute)
	}
	for flow, want := range map[string]int{"every": 12, "skip": 12, "cron": 1, "list": 0} {
		if got := r.fired(flow)[before[flow]:]; len(got) != want {
			t.Errorf("%s fired %q after the clock was set right, want %d", flow, got, want)
		}
	}
}

// TestScheduleClockBack: an instant that a run was made for has none again when
// the clock is set back behind it.
func TestScheduleClockBack(t *testing.T) {
	r := newRig(t, scheduled("cron", `cron: "0 * * * *"`))
	r.setSchedules()
	r.pass(time.Hour) // it is 09:00
	r.pass(-2 * time.Minute)
	r.open()
	r.setSchedules()
	for range 66 {
		r.pass(time.Minute)
	}
	r.wantFired("cron", "2026-02-02T09:00:00Z 0", "2026-02-02T10:00:00Z 0")
}

// TestScheduleChanges: a schedule that was changed begins anew, one that has
// gone never fires; a new version of its flow alone changes nothing.
func TestScheduleChanges(t *testing.T) {
	r := newRig(t, scheduled("a", "every: 1h"), scheduled("b", "every: 1h"), scheduled("c", "every: 1h"))
	r.setSchedules()
	r.pass(30 * time.Minute)
	r.apply(scheduled("a", "every: 2h"), scheduled("c", "every: 1h, missed: run_all"))
	r.setSchedules()
	r.pass(30 * time.Minute)
	r.wantFired("a")
	r.wantFired("b")
	r.wantFired("c", "2026-02-02T09:00:00Z 0")
	r.pass(time.Hour)
	r.wantFired("a", "2026-02-02T10:00:00Z 0")
	r.apply()
	r.pass(time.Hour) // the snapshot changed, SetSchedules has not been called yet
	r.setSchedules()
	r.wantFired("a", "2026-02-02T10:00:00Z 0")
	r.wantFired("c", "2026-02-02T09:00:00Z 0", "2026-02-02T10:00:00Z 0")
	if list, err := r.runner.Schedules(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
	if wakes, err := r.store.Due(t.Context(), store.Wake{}, r.now.Add(1000*time.Hour), 10); err != nil || len(wakes) != 0 {
		t.Errorf("left: %+v, %v", wakes, err)
	}
}

// TestScheduleCrash: wherever the process dies around a firing, each instant
// fires once: the run and the next instant are one commit.
func TestScheduleCrash(t *testing.T) {
	r := newRig(t, scheduled("a", "every: 1h"))
	r.setSchedules()
	r.now = r.now.Add(time.Hour)
	wakes, err := r.store.Due(t.Context(), store.Wake{}, r.now, 1)
	if err != nil || len(wakes) != 1 {
		t.Fatal(wakes, err)
	}
	if _, err := r.runner.Schedule(t.Context(), wakes[0].Key); err != nil {
		t.Fatal(err)
	}
	r.open() // before the dispatcher moved the wake, and before the run began
	r.setSchedules()
	if _, err := r.runner.Schedule(t.Context(), wakes[0].Key); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantFired("a", "2026-02-02T09:00:00Z 0")

	// A change at the same time makes the firing look again.
	r.now = r.now.Add(time.Hour)
	r.runner.config.Store = meddler{r.store, func() {
		r.runner.config.Store = r.store
		r.apply(scheduled("a", "every: 24h"))
		if err := r.runner.SetSchedules(t.Context()); err != nil {
			t.Fatal(err)
		}
	}}
	r.work()
	r.wantFired("a", "2026-02-02T09:00:00Z 0")
}

// meddler does something before the first commit.
type meddler struct {
	store.Store
	first func()
}

func (m meddler) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	m.first()
	return m.Store.Commit(ctx, b)
}
