package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/calllog"
)

// admit asks whether the call may be made.
func (g *Gateway) admit(q *call) (bool, error) { return false, g.ask(q, false) }

// admitLater asks whether the caller may read what an earlier call started.
func (g *Gateway) admitLater(q *call) (bool, error) { return false, g.ask(q, true) }

// ask has the guard check the call; later says that it starts nothing.
func (g *Gateway) ask(q *call, later bool) error {
	request := q.Ctx.Request()
	peer, _ := netip.AddrFromSlice(q.Context().RemoteIP())
	caller, refused := g.Guard.Check(q.UserContext(), access.Request{
		Owner: q.route.owner, Security: q.route.security, Peer: peer.Unmap(),
		Method: strings.Clone(q.Method()), Target: string(request.RequestURI()),
		Headers: func(name string) (values []string) {
			for _, v := range request.Header.PeekAll(name) {
				values = append(values, string(v))
			}
			return values
		},
		Body: request.Body(), Later: later,
	})
	for name, value := range caller.Header {
		q.Set(name, value)
	}
	about := calllog.Of(q.UserContext())
	about.Client, about.Reason = caller.Client, caller.Refused
	if caller.IP.IsValid() {
		about.Peer = caller.IP.String()
	}
	q.caller = caller
	if !q.route.open || q.identity() != "" {
		q.Set(fiber.HeaderCacheControl, "no-store") // unless the flow or the route's cache says more
	}
	if refused != nil { // a nil *Details would be no nil error
		return refused
	}
	return nil
}

// identity names who calls, for what belongs to a caller: answers that come
// later, and keys. It is empty where the route doesn't know.
func (q *call) identity() string { return q.caller.Identity() }

// digest names a list of texts; no two lists have one name.
func digest(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil))
}
