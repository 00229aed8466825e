package access

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the lockout: an address that fails more often than failures is
// refused for lockedFor, whatever it sends then.
const (
	lockedFor  = time.Minute
	maxLocked  = 1 << 14 // addresses
	goodFor    = time.Hour
	maxTrusted = 1 << 14 // callers at addresses
)

var failures = Rate{Calls: 20, Per: time.Minute}

// lockout counts the credentials of each address that were wrong. A caller
// that was let in from an address within the last hour is not locked out of
// it: the address may be that of a proxy which nobody has declared, and others
// fail behind it.
type lockout struct {
	mu    sync.Mutex
	tries *lru[netip.Addr, tries]
	good  *lru[callerAt, time.Time]
}

type tries struct {
	bucket
	until time.Time // locked
}

type callerAt struct {
	addr   netip.Addr
	caller string
}

func newLockout() *lockout {
	return &lockout{tries: newLRU[netip.Addr, tries](maxLocked), good: newLRU[callerAt, time.Time](maxTrusted)}
}

// locked gives how long an address is locked for a caller that is, or claims
// to be, of a name ("": unknown).
func (l *lockout) locked(addr netip.Addr, caller string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries.get(addr)
	if t == nil || !now.Before(t.until) {
		return 0
	}
	if caller != "" {
		if last := l.good.get(callerAt{addr, caller}); last != nil && now.Sub(*last) < goodFor {
			return 0
		}
	}
	return t.until.Sub(now)
}

// fail counts a wrong credential. It says whether that locks the address now.
func (l *lockout) fail(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries.of(addr)
	if left, _ := t.left(failures, now); left == 0 {
		first := !now.Before(t.until)
		t.until = now.Add(lockedFor)
		return first
	}
	t.take(failures, now)
	return false
}

// pass notes that a caller was let in.
func (l *lockout) pass(addr netip.Addr, caller string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.good.of(callerAt{addr, caller}) = now
}

// Locked is an address that is locked out.
type Locked struct {
	Address netip.Addr // of an IPv6 network of 64 bits, the first
	Until   time.Time
}

// list gives the addresses that are locked, those that were used last first.
func (l *lockout) list(now time.Time) (all []Locked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.tries.order.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*entryOf[netip.Addr, tries]); now.Before(t.value.until) {
			all = append(all, Locked{t.key, t.value.until})
		}
	}
	return all
}

// Shut gives how long an address is locked out for a caller of a name, such as
// "hook:shop"; 0: it is not, or the caller proved itself from there within the
// last hour.
func (g *Guard) Shut(addr netip.Addr, caller string) time.Duration {
	return g.lockout.locked(home(addr), caller, g.config.Now())
}

// Failed counts a wrong credential that came from an address.
func (g *Guard) Failed(addr netip.Addr) { g.fail(home(addr), g.config.Now()) }

// Passed notes that a caller of a name proved itself from an address.
func (g *Guard) Passed(addr netip.Addr, caller string) {
	g.lockout.pass(home(addr), caller, g.config.Now())
}

// Locked lists the addresses that are locked out.
func (g *Guard) Locked() []Locked { return g.lockout.list(g.config.Now()) }

// fail counts a wrong credential, and logs what locks an address.
func (g *Guard) fail(home netip.Addr, now time.Time) { g.lockout.wrong(g.config.Log, home, now) }

// wrong is fail, and logs what locks an address.
func (l *lockout) wrong(log *slog.Logger, home netip.Addr, now time.Time) {
	if l.fail(home, now) {
		log.Warn("address locked out", "address", home, "wrong_credentials", failures.Calls, "for", lockedFor)
	}
}

// Guesses counts the wrong credentials that come to another listener than the
// Guard's: what is wrong at one locks nobody out of the other.
type Guesses struct {
	lockout *lockout
	now     func() time.Time
	log     *slog.Logger
}

// NewGuesses returns a count that has none.
func NewGuesses(now func() time.Time, log *slog.Logger) *Guesses {
	return &Guesses{newLockout(), now, log}
}

// Shut gives how long an address is locked out; 0: it is not.
func (g *Guesses) Shut(addr netip.Addr) time.Duration {
	return g.lockout.locked(home(addr), "", g.now())
}

// Failed counts a wrong credential that came from an address.
func (g *Guesses) Failed(addr netip.Addr) { g.lockout.wrong(g.log, home(addr), g.now()) }

// Locked lists the addresses that are locked out.
func (g *Guesses) Locked() []Locked { return g.lockout.list(g.now()) }

// home is what an address is counted by: an IPv6 network of 64 bits is one
// customer's.
func home(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil { // only a length that is out of range
		return addr
	}
	return prefix.Addr()
}
