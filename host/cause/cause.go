// Package cause carries in a context what work is done for: the request, the
// run and its node, the delivery. Logs and records of calls have it from there,
// so that nothing has to be handed through rooms that do not care.
//
// It decides nothing: nobody may act on what it says.
package cause

import (
	"context"
	"log/slog"
)

// Cause is what work is done for. What is not known is empty.
type Cause struct {
	// Kind and Name say what makes a call: a connector's function, an alert, a
	// subscription (see host/calllog).
	Kind, Name string
	Request    string // id of the request that came
	Run        string // id
	Node       string // of the run's flow
	Contact    string
	Effect     string // id of the effect, the same in all attempts
	Attempt    int    // from 1
	// Secret says that what is said on the way is a secret, bodies and all.
	Secret bool
}

type key struct{}

// Of is what the work of a context is done for.
func Of(ctx context.Context) Cause {
	if c, ok := ctx.Value(key{}).(*Cause); ok {
		return *c
	}
	return Cause{}
}

// With says more of what the work of a context is done for.
func With(ctx context.Context, say func(*Cause)) context.Context {
	c := Of(ctx)
	say(&c)
	return context.WithValue(ctx, key{}, &c)
}

// Carry gives one context the cause of another.
func Carry(to, from context.Context) context.Context {
	if c, ok := from.Value(key{}).(*Cause); ok {
		return context.WithValue(to, key{}, c)
	}
	return to
}

// Handler adds to each line of a log the request and the run that its context
// is of.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	c := Of(ctx)
	if c == (Cause{}) {
		return h.Handler.Handle(ctx, r)
	}
	has := map[string]bool{}
	r.Attrs(func(a slog.Attr) bool {
		has[a.Key] = true
		return true
	})
	r = r.Clone()
	for _, a := range []struct{ key, value string }{{"request", c.Request}, {"run", c.Run}, {"node", c.Node}, {"effect", c.Effect}} {
		if a.value != "" && !has[a.key] {
			r.AddAttrs(slog.String(a.key, a.value))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
