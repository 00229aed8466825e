package simulation

import (
	"strings"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// Points of a commit, by what it is for.
const (
	PointIntake = "intake" // a webhook
	PointDeal   = "deal"   // units go to their mailboxes
	PointStart  = "start"  // an operator lets a run begin
	PointIntent = "intent" // a call that changes something is about to be made
	PointResult = "result" // a session that makes no such call: results, waits
	PointEnd    = "end"    // of a session
	PointSent   = "sent"   // what became of a message
	PointTimer  = "timer"  // a wake is moved
	PointFire   = "fire"   // a schedule starts runs, or is set
	PointMove   = "move"   // a session moves to another version of its flow
	PointOther  = "other"
)

// Points lists those that webhooks, calls and schedules lead to.
var Points = [...]string{PointIntake, PointDeal, PointIntent, PointResult, PointEnd, PointSent, PointTimer, PointFire}

// Point says what a batch is for.
func Point(b *store.Batch) string {
	intake := channel.PrefixIntake + ":"
	for _, a := range b.Append {
		if strings.HasPrefix(a.Queue, intake) {
			return PointIntake
		}
	}
	for _, r := range b.Remove {
		switch {
		case strings.HasPrefix(r.Queue, intake):
			return PointDeal
		case strings.HasPrefix(r.Queue, outbox.PrefixContact+":"):
			return PointSent
		}
	}
	if puts(b, kindSchedule) {
		return PointFire
	}
	if len(b.Put) == 2 && len(b.Append)+len(b.Remove)+len(b.Delete)+len(b.Wake) == 0 && puts(b, kindSession) && puts(b, record.Kind) {
		return PointMove
	}
	if b.Intake {
		return PointStart
	}
	for _, p := range b.Put {
		if p.ID.Kind == kindSession {
			if strings.Contains(string(p.Value), `"intents":["`) {
				return PointIntent
			}
			return PointResult
		}
	}
	for _, id := range b.Delete {
		if id.Kind == kindSession {
			return PointEnd
		}
	}
	if len(b.Put)+len(b.Append)+len(b.Delete)+len(b.Remove) == 0 {
		return PointTimer
	}
	return PointOther
}
