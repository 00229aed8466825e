package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A signed request has the header
//
//	Trama-Signature: t=1767225600,n=5f1c8e0a9b7d4c2e,v1=<hex>
//
// with the time of signing in seconds since 1970, a nonce that the client uses
// once (8 to 64 letters, digits, - and _), and the HMAC-SHA256, under the
// client's secret as it was shown, of
//
//	v1 LF t LF n LF METHOD LF path?query LF hex(SHA-256(body))
//
// where path and query are as they were sent, and a body that is not there is
// empty. A request is signed anew each time that it is sent.
type signature struct {
	at    string // t, as it was written
	nonce string
	sum   [sha256.Size]byte
}

// Tolerances of the time of signing.
const (
	maxAge   = 5 * time.Minute
	maxAhead = 30 * time.Second
)

// parseSignature reads the header.
func parseSignature(text string) (s signature, ok bool) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return s, false
	}
	for i, name := range []string{"t=", "n=", "v1="} {
		value, found := strings.CutPrefix(strings.Trim(parts[i], " "), name)
		if !found {
			return s, false
		}
		parts[i] = value
	}
	s.at, s.nonce = parts[0], parts[1]
	n, err := hex.Decode(s.sum[:], []byte(parts[2][:min(len(parts[2]), hex.EncodedLen(len(s.sum)))]))
	switch {
	case len(s.at) > 12 || s.at == "" || strings.Trim(s.at, "0123456789") != "":
	case len(s.nonce) < 8 || len(s.nonce) > 64 || strings.Trim(s.nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
	case err != nil || n != len(s.sum) || len(parts[2]) != hex.EncodedLen(n):
	default:
		return s, true
	}
	return s, false
}

// time is when the request says that it was signed.
func (s signature) time() time.Time {
	seconds, err := strconv.ParseInt(s.at, 10, 64)
	if err != nil { // digits alone, and few
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// sign gives the HMAC of a request.
func (s signature) sign(secret []byte, method, target string, body []byte) []byte {
	hash := sha256.Sum256(body)
	text := make([]byte, 0, 256)
	for _, part := range []string{"v1", s.at, s.nonce, method, target} {
		text = append(append(text, part...), '\n')
	}
	text = hex.AppendEncode(text, hash[:])
	h := hmac.New(sha256.New, secret)
	h.Write(text)
	return h.Sum(nil)
}

// verify says in constant time whether a secret made the signature.
func (s signature) verify(secret []byte, method, target string, body []byte) bool {
	return hmac.Equal(s.sign(secret, method, target, body), s.sum[:])
}

// Sign gives the header's value for a request, as clients make it.
func Sign(secret, nonce string, at time.Time, method, target string, body []byte) string {
	s := signature{at: strconv.FormatInt(at.Unix(), 10), nonce: nonce}
	return "t=" + s.at + ",n=" + nonce + ",v1=" + hex.EncodeToString(s.sign([]byte(secret), method, target, body))
}

// maxUsed bounds the signatures that are remembered at a time, each for as
// long as its time would be taken: 6,000 signed requests a second. One client
// has at most as many as are left for others, so that none shuts them out.
const maxUsed = 1 << 21

// used remembers the signatures that were taken. Signatures of a time before
// the host began are not taken at all, so nothing of it needs to be stored but
// how far ahead of the clock those of a client were that were taken.
type used struct {
	mu       sync.Mutex
	now, old map[uint64]struct{} // the first bytes of HMACs
	by       map[string]int      // how many of now are of each client
	turned   time.Time           // when old was now
	most     int                 // of now: maxUsed

	// after is the time from which on signatures are taken; of the clients in
	// before, from what stands there. Both stay as they are.
	after  time.Time
	before map[string]time.Time
}

func newUsed(after, now time.Time, before map[string]time.Time) *used {
	return &used{now: map[uint64]struct{}{}, old: map[uint64]struct{}{}, by: map[string]int{}, most: maxUsed, after: after, before: before, turned: now}
}

// seen says whether a signature was taken before.
func (u *used) seen(s signature, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.has(s, now)
}

func (u *used) has(s signature, now time.Time) bool {
	if now.Sub(u.turned) > maxAge+maxAhead {
		u.old, u.now, u.by, u.turned = u.now, map[uint64]struct{}{}, map[string]int{}, now
	}
	key := binary.BigEndian.Uint64(s.sum[:])
	_, is := u.now[key]
	_, was := u.old[key]
	return is || was
}

// take remembers a signature of a client. It says whether it is new, and
// whether there is room for it.
func (u *used) take(s signature, client string, now time.Time) (fresh, room bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.has(s, now) {
		return false, true
	}
	if u.by[client] >= u.most-len(u.now) {
		return true, false
	}
	u.by[client]++
	u.now[binary.BigEndian.Uint64(s.sum[:])] = struct{}{}
	return true, true
}

// timely says whether a signature's time is taken.
func (u *used) timely(s signature, now time.Time) bool {
	at := s.time()
	return at.After(u.after) && now.Sub(at) <= maxAge && at.Sub(now) <= maxAhead
}

// early gives for how long signatures of a client, whose clock may be ahead,
// can't be told from those that were taken before the host began.
func (u *used) early(s signature, client string) time.Duration {
	return max(u.before[client].Sub(s.time())+time.Second, 0)
}
