package webhook

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// unmet says what the tokens of a subscription need and is not there. A
// delivery waits for it, and counts as no failure of the receiver's.
func (w *Webhooks) unmet(s *subscription) *abi.Error {
	for name, source := range s.Tokens {
		if source.Flow != "" {
			f, published := w.config.Catalog().Snapshot().Flows[source.Flow]
			if !published {
				return unavailable(s, "token %q: flow %q is not published: publish it, with a trigger of type gateway", name, source.Flow)
			}
			if !slices.ContainsFunc(f.Flow.Triggers, func(t flow.Trigger) bool { return t.Type == flow.TriggerGateway }) {
				return unavailable(s, "token %q: flow %q has no trigger of type gateway: add one", name, source.Flow)
			}
		}
		if source.OAuth2 != nil {
			if _, err := w.config.Secrets.Open(source.OAuth2.Secret); err != nil {
				return &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("subscription %q: token %q: %v", s.ID, name, err)}
			}
		}
	}
	return nil
}

// doubts say why a subscription won't get what it asks for, though nothing
// keeps it from being sent.
func (w *Webhooks) doubts(s *subscription) string {
	if u, err := url.Parse(s.URL); err == nil && !w.config.Rules.AllowPrivate {
		if near, _ := egress.NearOf(u.Hostname()); near {
			return u.Host + " is not public: use another, or set webhooks: {allow_private: true} in trama.yaml and restart"
		}
	}
	if !slices.ContainsFunc(s.Events, func(typ string) bool { return typ != catalog.EventAttendance }) {
		return "it asks for the event attendance alone, which nothing gives yet: name others"
	}
	return ""
}
