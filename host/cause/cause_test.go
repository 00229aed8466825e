package cause

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestCause(t *testing.T) {
	if Of(t.Context()) != (Cause{}) {
		t.Error("work for nothing has a cause")
	}
	outer := With(t.Context(), func(c *Cause) { c.Run, c.Node = "r1", "a" })
	inner := With(outer, func(c *Cause) { c.Node, c.Attempt = "b", 2 })
	if got := Of(inner); got != (Cause{Run: "r1", Node: "b", Attempt: 2}) {
		t.Errorf("inside: %+v", got)
	}
	if got := Of(outer); got != (Cause{Run: "r1", Node: "a"}) {
		t.Errorf("what is said further in is known outside: %+v", got)
	}
}

// TestHandler: a line names what it is of, once.
func TestHandler(t *testing.T) {
	ctx := With(t.Context(), func(c *Cause) { c.Request, c.Run = "q1", "r1" })
	for name, test := range map[string]struct {
		log  func(*slog.Logger)
		want string
	}{
		"cause":       {func(l *slog.Logger) { l.InfoContext(ctx, "m", "a", 1) }, "msg=m a=1 request=q1 run=r1"},
		"said itself": {func(l *slog.Logger) { l.InfoContext(ctx, "m", "run", "own") }, "msg=m run=own request=q1"},
		"with more":   {func(l *slog.Logger) { l.With("b", 2).InfoContext(ctx, "m") }, "msg=m b=2 request=q1 run=r1"},
		"in a group":  {func(l *slog.Logger) { l.WithGroup("g").InfoContext(ctx, "m", "b", 2) }, "msg=m g.b=2 g.request=q1 g.run=r1"},
		"none":        {func(l *slog.Logger) { l.InfoContext(context.Background(), "m") }, "msg=m"},
		"no context":  {func(l *slog.Logger) { l.Info("m") }, "msg=m"},
	} {
		var out strings.Builder
		test.log(slog.New(Handler(slog.NewTextHandler(&out, nil))))
		if _, got, _ := strings.Cut(out.String(), "level=INFO "); strings.TrimSpace(got) != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
