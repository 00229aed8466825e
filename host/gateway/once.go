package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
)

// maxKey bounds a caller's key, in bytes.
const maxKey = 255

// keyOf reads an Idempotency-Key: a structured field's string, "in quotes", as
// the draft has it (draft-ietf-httpapi-idempotency-key-header-07, section 2.1),
// or the same without them, as most callers send it. Empty: there is none.
func keyOf(header string) (string, error) {
	text := strings.TrimSpace(header)
	if text == "" {
		return "", nil
	}
	key := text
	if text[0] == '"' {
		var b strings.Builder
		rest := text[1:]
		for {
			if rest == "" {
				return "", errors.New("its quotes are not closed")
			}
			c := rest[0]
			rest = rest[1:]
			if c == '"' {
				break
			}
			if c == '\\' {
				if rest == "" || rest[0] != '"' && rest[0] != '\\' {
					return "", errors.New(`after a \ there is neither " nor \`)
				}
				c, rest = rest[0], rest[1:]
			}
			b.WriteByte(c)
		}
		if rest != "" {
			return "", errors.New("something follows its quotes")
		}
		key = b.String()
	} else if strings.ContainsAny(key, "\" ,;") {
		return "", errors.New("without quotes it has none of \" , ; and no spaces")
	}
	if key == "" || len(key) > maxKey {
		return "", fmt.Errorf("it has 1 to %d characters", maxKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] >= 0x7f {
			return "", errors.New("it has a character that is not printable ASCII")
		}
	}
	return key, nil
}

// keyAt gives the key of a call that has it in another place: a header, or a
// text or number in its JSON body. Empty: there is none.
func (q *call) keyAt(kind, at string) (string, error) {
	if kind == "header" {
		return strings.Clone(q.Get(at)), nil
	}
	return expr.TextAt(q.Request().Body(), at)
}

// repeat looks whether the caller made this call before. A key is known by
// route and caller; what a call with it asks for must stay the same.
//
// An earlier call that is not answered yet is a conflict, be it that its run was
// cut short by a crash: the run goes on, and its answer is then the key's. If it
// failed, or answered with 500 or more, the key is free again.
func (g *Gateway) repeat(q *call) (bool, error) {
	settings := q.route.Idempotency
	if settings == nil {
		return false, nil
	}
	where := "the header " + HeaderKey
	key, err := keyOf(q.Get(HeaderKey))
	if kind, at, own := strings.Cut(settings.Key, ":"); own {
		where = kind + " " + at
		key, err = q.keyAt(kind, at)
	}
	if err != nil {
		return false, problem.New(400, "bad_key", fmt.Sprintf("%s can't be read: %v", where, err))
	}
	if key == "" {
		if settings.Required {
			return false, problem.New(400, "no_key", fmt.Sprintf("the route asks for %s: send a new key, such as a UUID, with each new call, and the same key with each repetition of it", where))
		}
		return false, nil
	}
	known, err := g.Runs.Once(q.UserContext(), digest(q.route.name, q.identity(), key))
	if err != nil {
		return false, g.refused(q, "", err)
	}
	sum := q.fingerprint()
	if known.Run != "" {
		before, err := g.Runs.Call(q.UserContext(), known.Run)
		switch {
		case errors.Is(err, run.ErrNoRun): // forgotten
		case err != nil:
			return false, g.refused(q, "", err)
		case before.Answered != nil && failedCall(before):
		case known.Sum != sum:
			return false, problem.New(422, "key_reused", fmt.Sprintf("%s had this key before, with another request: a new request needs a new key", where))
		case before.Answered == nil && !q.prefer.async:
			return false, inUse()
		case before.Answered == nil:
			q.Set(HeaderReplayed, "true")
			return true, q.accepted(known.Run, StatusRunning)
		case q.prefer.async && !q.prefer.waits():
			q.Set(HeaderReplayed, "true")
			return true, q.accepted(known.Run, StatusDone)
		default:
			if q.Set(HeaderReplayed, "true"); q.prefer.waits() {
				q.Set("Preference-Applied", fmt.Sprintf("wait=%d", *q.prefer.wait/time.Second))
			}
			q.found, q.answer = true, before.Answer()
			return false, nil
		}
	}
	known.Sum, known.For = sum, catalog.DefaultKeyTTL
	if settings.TTL > 0 {
		known.For = time.Duration(settings.TTL)
	}
	q.once = &known
	return false, nil
}

// inUse is the problem of a call whose key is that of one in progress.
func inUse() *problem.Details {
	d := problem.New(409, "key_in_use", "an earlier call with this key is not answered yet; ask again, and you get its answer")
	d.Retry, d.RetryAfter = true, time.Second
	return d
}

// failedCall says whether an answer is one that a repetition need not get.
func failedCall(c run.Call) bool {
	return c.Failure != nil || c.Response != nil && c.Response.Status >= 500
}

// fingerprint tells apart what calls ask for.
func (q *call) fingerprint() string {
	request := q.Request()
	body := sha256.Sum256(request.Body())
	return digest(q.method, q.path, string(request.URI().QueryString()), hex.EncodeToString(body[:]))
}
