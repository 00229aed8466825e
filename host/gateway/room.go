package gateway

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/problem"
)

// Bounds of what bodies take once they are read, which may be fifty times what
// was sent: [{},{},…]. It is held until the call, and the run that it began, is
// over.
const (
	roomForAll = 256 << 20 // bytes
	roomForOne = 128 << 20
	smallBody  = 8 << 10 // bytes of a body that is not counted; it never waits for the others
)

// room is what the large bodies of calls take together, in bytes.
type room struct{ used atomic.Int64 }

// share is what one body takes of it; nil: it is not counted.
type share struct {
	room    *room
	held    int
	refused *problem.Details // why it was given no more
}

// take takes some bytes, if there are so many.
func (s *share) take(bytes int) bool {
	switch {
	case s == nil:
		return true
	case s.held+bytes > roomForOne:
		s.refused = problem.New(413, "too_big", fmt.Sprintf("the body holds so many values that they would take more than %d MiB: send fewer at once", roomForOne>>20))
		return false
	case s.room.used.Add(int64(bytes)) > roomForAll:
		s.room.used.Add(int64(-bytes))
		s.refused = problem.Busy("bodies", "the host holds as many large bodies as it may; nothing was begun", time.Second)
		return false
	}
	s.held += bytes
	return true
}

// give gives all of it back.
func (s *share) give() { s.room.used.Add(int64(-s.held)) }

// hold gives a body its share of the room, until the call is over.
func (g *Gateway) hold(q *call, body []byte) *share {
	if len(body) <= smallBody {
		return nil
	}
	s, leave := &share{room: &g.room}, q.leave
	q.leave = func() {
		s.give()
		if leave != nil {
			leave()
		}
	}
	return s
}
