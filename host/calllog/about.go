package calllog

import "context"

// About is what those who serve a call know of it, for who keeps it. It belongs
// to the goroutine that serves.
type About struct {
	Name   string // of the route or channel, once it is known that there is one
	Client string
	Peer   string // the caller's address, behind trusted proxies
	// Reason is why the caller was turned away, in words that it did not get.
	Reason string
	// Outcome is a word for what became of a webhook: one of few.
	Outcome string
	// Hide are texts that are not kept, wherever they stand in the call, beside
	// the secrets of the host.
	Hide []string
	// Delivery is the id under which it was stored.
	Delivery string
}

type aboutKey struct{}

// With gives those who serve a call something to write on.
func With(ctx context.Context, a *About) context.Context {
	return context.WithValue(ctx, aboutKey{}, a)
}

// Of is what a call's context has to write on. It is never nil; what is written
// where nobody reads is forgotten.
func Of(ctx context.Context) *About {
	if a, ok := ctx.Value(aboutKey{}).(*About); ok {
		return a
	}
	return &About{}
}
