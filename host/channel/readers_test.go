package channel

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a reader rests while many requests are being stored, in proportion
// to how long it read and no longer than they are many.
func TestPace(t *testing.T) {
	many := crowd*runtime.GOMAXPROCS(0) + 1
	ended, end := context.WithCancel(t.Context())
	end()
	for _, test := range []struct {
		name    string
		storing int
		through time.Duration // when the first of them is stored; 0: not meanwhile
		ctx     context.Context
		read    time.Duration
		rest    time.Duration
	}{
		{"quiet", many - 1, 0, t.Context(), time.Second, 0},
		{"crowded", many, 0, t.Context(), 2 * time.Millisecond, 8 * time.Millisecond},
		{"a long read", many, 0, t.Context(), time.Second, maxRest},
		{"soon over", many, 3 * time.Millisecond, t.Context(), 20 * time.Millisecond, 4 * time.Millisecond},
		{"at a stop", many, 0, ended, time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace
				var first func()
				for range test.storing {
					first = p.begin()
				}
				if test.through > 0 {
					time.AfterFunc(test.through, first)
				}
				began := time.Now()
				p.rest(test.ctx, test.read)
				if took := time.Since(began); took != test.rest && took+restStep != test.rest {
					t.Errorf("rested for %v, want %v", took, test.rest)
				}
			})
		})
	}
}
