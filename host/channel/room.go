package channel

import "sync"

// Bounds of what the bodies of stored requests take once they are read, each
// and together. Nobody waits for an answer then, so what finds no room waits.
const (
	bodyRoom  = 128 << 20 // bytes of one
	roomOfAll = 256 << 20
	perByte   = 60      // that a byte of a body may take: [{"":0},…]
	smallBody = 8 << 10 // bytes of a body that is not counted
)

// room is what large bodies take together.
type room struct {
	door sync.Mutex // is held by who waits first, so that no large body is passed for ever
	mu   sync.Mutex
	used int       // bytes; guarded by mu
	less sync.Cond // with the lock mu
}

// hold waits until there is room for what a body may take, until give is called.
func (r *room) hold(body []byte) (give func()) {
	if len(body) <= smallBody {
		return func() {}
	}
	bytes := min(perByte*len(body), bodyRoom)
	r.door.Lock()
	defer r.door.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.less.L = &r.mu
	for r.used+bytes > roomOfAll {
		r.less.Wait()
	}
	r.used += bytes
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.used -= bytes
		r.less.Signal()
	}
}
