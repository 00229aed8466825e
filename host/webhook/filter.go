package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/trama-run/trama/host/expr"
)

// filter chooses the events of a subscription.
type filter struct {
	// compiled gives it when it is first asked: most never are between two
	// starts.
	compiled func() (*expr.Expression, error)

	mu     sync.Mutex
	failed *failedFilter // nil: it never did; guarded by mu
}

// failedFilter is what is known of a filter that could not be asked of an
// event. Another filter begins anew.
type failedFilter struct {
	since, last time.Time
	typ         string // of the last event
	err         error
}

func newFilter(text string) *filter {
	return &filter{compiled: sync.OnceValues(func() (*expr.Expression, error) { return expr.Compile(text) })}
}

// doubt says of a filter that has failed that it did; "": it has not.
func (f *filter) doubt() string {
	if f == nil {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		return ""
	}
	return fmt.Sprintf("its filter has failed for events since %s, which were not sent; for the last, a %s at %s: %v",
		f.failed.since.UTC().Format(time.RFC3339), f.failed.typ, f.failed.last.UTC().Format(time.RFC3339), f.failed.err)
}

// takes asks a subscription's filter. One that fails takes nothing: nobody
// knows whether the event is for its receiver to see. Operators are told.
func (w *Webhooks) takes(s *subscription, typ string, scope map[string]any) bool {
	if s.filter == nil {
		return true
	}
	var value any
	compiled, err := s.filter.compiled()
	if err == nil {
		value, err = compiled.Eval(scope)
	}
	taken, is := value.(bool)
	if err == nil && !is && value != nil {
		err = fmt.Errorf("it gives %v, and not true or false", value)
	}
	if err == nil {
		return taken
	}
	now := w.now()
	s.filter.mu.Lock()
	since := now
	if before := s.filter.failed; before != nil {
		since = before.since
	}
	s.filter.failed = &failedFilter{since, now, typ, err}
	s.filter.mu.Unlock()
	w.seldom.Say(context.Background(), slog.LevelWarn, "filter "+s.ID, "an event was not sent to a subscription, whose filter fails", "subscription", s.ID, "event", typ, "error", err)
	return false
}
