package channel

import (
	"errors"
	"net/netip"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
)

// Guard locks addresses out that send wrong credentials; host/access's does.
type Guard interface {
	// Shut gives how long an address is locked out for a caller of a name.
	Shut(addr netip.Addr, caller string) time.Duration
	Failed(addr netip.Addr)
	Passed(addr netip.Addr, caller string)
}

// caller is the name of a channel's senders for a guard.
func caller(q Request) string { return "hook:" + q.Channel }

// shut refuses an address that is locked out. A sender that proved itself from
// there a while ago is let in.
func (c *Channels) shut(q Request) error {
	if c.config.Guard == nil {
		return nil
	}
	wait := c.config.Guard.Shut(q.IP, caller(q))
	if wait <= 0 {
		return nil
	}
	refused := problem.New(429, "locked_out", "too many requests with wrong credentials came from this address")
	refused.Retry, refused.RetryAfter = true, max(wait.Round(time.Second), time.Second)
	return refused
}

// bySignature says whether a request is proved by a signature and nothing else.
// Nobody guesses one, so a right one is taken from an address that is locked
// out, which big services share with all of their customers. Tokens and
// passwords are not even looked at: they may be found out.
func (c *Channels) bySignature(ch catalog.Channel, q Request) bool {
	switch {
	case q.Method != "POST":
		return false
	case ch.Adapter == catalog.AdapterAPIChat:
		return false
	case ch.Adapter == catalog.AdapterWebhook:
		p, held := c.prepare(ch)
		return held == nil && p.method != nil && p.Token == "" && p.Basic == "" && (p.challenge.Token == "" || p.challenge.Method == "GET")
	}
	_, manifest, held := c.find(ch.ID)
	return held == nil && manifest.Webhook != nil && manifest.Webhook.Signature != nil && manifest.Webhook.Token == nil
}

// passed notes that a request has proved whose it is.
func (c *Channels) passed(q Request) {
	if c.config.Guard != nil && q.sample == nil {
		c.config.Guard.Passed(q.IP, caller(q))
	}
}

// count counts a request that was refused for its credentials, and says whether
// it was. One that is only too old was made by somebody who has the secret.
func (c *Channels) count(q Request, err error) bool {
	refused, is := errors.AsType[*problem.Details](err)
	if c.config.Guard == nil || !is {
		return false
	}
	switch refused.Code {
	case "signature", "token", "basic", "handshake":
		c.config.Guard.Failed(q.IP)
		return true
	}
	return false
}
