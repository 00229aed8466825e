package bound

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

// TestAsTheLibrary plays the same on a context of this package and on one of
// the library: who asks sees the same.
func TestAsTheLibrary(t *testing.T) {
	type step func(ctx context.Context, end, endParent context.CancelFunc)
	wait := func(d time.Duration) step {
		return func(context.Context, context.CancelFunc, context.CancelFunc) { time.Sleep(d) }
	}
	end := func(_ context.Context, end, _ context.CancelFunc) { end() }
	endParent := func(_ context.Context, _, endParent context.CancelFunc) { endParent() }
	ask := func(ctx context.Context, _, _ context.CancelFunc) { ctx.Done() }
	look := func(ctx context.Context, _, _ context.CancelFunc) { _ = ctx.Err() }
	for name, steps := range map[string][]step{
		"fresh":                     {},
		"asked":                     {ask},
		"late":                      {wait(time.Minute)},
		"asked, then late":          {ask, wait(time.Minute)},
		"ended":                     {end},
		"ended twice":               {end, end},
		"asked, ended":              {ask, end},
		"ended, asked":              {end, ask},
		"late, looked, then ended":  {wait(time.Minute), look, end},
		"late, looked, ended":       {wait(time.Minute), look, end, ask},
		"ended, then late":          {end, wait(time.Minute)},
		"parent ends":               {endParent},
		"parent ends, asked":        {endParent, ask},
		"asked, parent ends":        {ask, endParent},
		"parent ends, then late":    {endParent, wait(time.Minute)},
		"late, looked, parent ends": {wait(time.Minute), look, endParent},
		"late, asked, parent ends":  {wait(time.Minute), ask, endParent},
		"ended, then parent ends":   {end, endParent, ask},
		"looked, asked, late, look": {look, ask, wait(time.Minute), look},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				play := func(make func(context.Context, time.Duration) (context.Context, context.CancelFunc)) (done bool, value any, err error) {
					parent, endParent := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
					defer endParent()
					ctx, end := make(parent, time.Second)
					defer end()
					for _, s := range steps {
						s(ctx, end, endParent)
					}
					synctest.Wait()
					// The error first: to ask for the end must not change it.
					err, value = ctx.Err(), ctx.Value(key{})
					select {
					case <-ctx.Done():
						done = true
					default:
					}
					if again := ctx.Err(); !errors.Is(again, err) {
						t.Errorf("the error was %v, and is %v", err, again)
					}
					return done, value, err
				}
				wantDone, wantValue, wantErr := play(context.WithTimeout)
				gotDone, gotValue, gotErr := play(For)
				if gotErr != wantErr || gotDone != wantDone || gotValue != wantValue {
					t.Errorf("error %v, done %v, value %v; the library's has %v, %v, %v", gotErr, gotDone, gotValue, wantErr, wantDone, wantValue)
				}
			})
		})
	}
}

// TestChild ends a context of the library that was made of a bounded one.
func TestChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := For(t.Context(), time.Second)
		defer end()
		child, stop := context.WithTimeout(ctx, time.Hour)
		defer stop()
		<-child.Done()
		if child.Err() != context.DeadlineExceeded {
			t.Errorf("the child ended with %v", child.Err())
		}
	})
}

// TestEarlier takes the deadline of the parent, if it comes first.
func TestEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, endParent := context.WithTimeout(t.Context(), time.Second)
		defer endParent()
		ctx, end := For(parent, time.Hour)
		defer end()
		want, _ := parent.Deadline()
		if got, ok := ctx.Deadline(); !ok || !got.Equal(want) {
			t.Errorf("the deadline is %v, want %v", got, want)
		}
		later, endLater := For(parent, time.Millisecond)
		defer endLater()
		time.Sleep(time.Millisecond)
		if err := later.Err(); err != context.DeadlineExceeded || parent.Err() != nil {
			t.Errorf("after its time: %v; its parent: %v", err, parent.Err())
		}
	})
}

func BenchmarkFor(b *testing.B) {
	for b.Loop() {
		_, end := For(b.Context(), time.Minute)
		end()
	}
}

func BenchmarkWithTimeout(b *testing.B) {
	parent, stop := context.WithCancel(b.Context())
	defer stop()
	for b.Loop() {
		_, end := context.WithTimeout(parent, time.Minute)
		end()
	}
}
