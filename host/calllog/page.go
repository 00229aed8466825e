package calllog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Kinds of the records of a log, by page. A page's name is the instant of its
// first call's end in sixteen hexadecimal digits, so names grow with time.
const (
	KindPage  store.Kind = "calls"       // a JSON array of Call
	KindIndex store.Kind = "calls-index" // what is in it, see index
)

// Bounds of a page.
const (
	pageCalls = 200
	pageBytes = 64 << 10
	pageTime  = time.Hour // that it stays open: all of it is forgotten together
)

// page is the page that is being filled. It is stored again, with what has
// come, until it is full.
type page struct {
	name  string
	calls [][]byte // each in JSON
	index index
	bytes int64 // stored of it last
}

func pageName(at time.Time) string { return fmt.Sprintf("%016x", at.UnixNano()) }

// written is when a page was begun; no call in it ended before, and none in
// those before it ended later.
func written(name string) (time.Time, bool) {
	n, err := strconv.ParseInt(name, 16, 64)
	return time.Unix(0, n), err == nil && len(name) == 16
}

// callID names a call by its page and its place in there.
func callID(page string, n int) string { return fmt.Sprintf("%s-%02x", page, n) }

// parseID is the inverse of callID.
func parseID(id string) (page string, n int, ok bool) {
	page, rest, _ := strings.Cut(id, "-")
	place, err := strconv.ParseUint(rest, 16, 16)
	_, valid := written(page)
	return page, int(place), err == nil && valid
}

// full says whether a page takes no more.
func (p *page) full(now time.Time) bool {
	begun, _ := written(p.name)
	return len(p.calls) >= pageCalls || p.index.bytes >= pageBytes || now.Sub(begun) >= pageTime
}

// add puts a call into the page, under its id, and gives its bytes there.
func (p *page) add(c Call) (int, error) {
	c.ID = callID(p.name, len(p.calls))
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // pages of HTML would be twice as long
	if err := e.Encode(c); err != nil {
		return 0, fmt.Errorf("call %s %s: %w", c.Method, c.Endpoint, err)
	}
	data := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	p.calls = append(p.calls, data)
	p.index.add(&c, len(data))
	return len(data), nil
}

// puts are the records of the page.
func (p *page) puts(ttl time.Duration) []store.Put {
	data := append([]byte{'['}, bytes.Join(p.calls, []byte{','})...)
	data = append(data, ']')
	return []store.Put{
		{ID: store.ID{Kind: KindPage, Key: p.name}, Value: data, TTL: ttl},
		{ID: store.ID{Kind: KindIndex, Key: p.name}, Value: p.index.encode(), TTL: ttl},
	}
}

// index is what a page has: how much, of when, and the sums of all that its
// calls can be found by, in order.
type index struct {
	bytes            int64 // of the calls
	earliest, latest int64 // when the first began, and the last; unix nanoseconds
	sums             []uint64
}

func (x *index) add(c *Call, size int) {
	at := c.At.UnixNano()
	if x.bytes == 0 || at < x.earliest {
		x.earliest = at
	}
	x.latest = max(x.latest, at)
	x.bytes += int64(size)
	for _, s := range c.terms() {
		if i, known := slices.BinarySearch(x.sums, s); !known {
			x.sums = slices.Insert(x.sums, i, s)
		}
	}
}

// may says whether the page can have a call that has all of some sums.
func (x *index) may(f *Filter, terms []uint64) bool {
	if !f.Since.IsZero() && x.latest < f.Since.UnixNano() || !f.Until.IsZero() && x.earliest >= f.Until.UnixNano() {
		return false
	}
	return !slices.ContainsFunc(terms, func(t uint64) bool {
		_, known := slices.BinarySearch(x.sums, t)
		return !known
	})
}

// version begins an index; another layout has another.
const version = 1

func (x *index) encode() []byte {
	data := append(make([]byte, 0, 25+8*len(x.sums)), version)
	for _, n := range []int64{x.bytes, x.earliest, x.latest} {
		data = binary.LittleEndian.AppendUint64(data, uint64(n))
	}
	for _, s := range x.sums {
		data = binary.LittleEndian.AppendUint64(data, s)
	}
	return data
}

func (x *index) decode(data []byte) error {
	if len(data) < 25 || data[0] != version || (len(data)-1)%8 != 0 {
		return errors.New("the index of a page of calls can't be read: it is damaged, or of another version")
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(data[1+8*i:]) }
	x.bytes, x.earliest, x.latest = int64(number(0)), int64(number(1)), int64(number(2))
	x.sums = make([]uint64, (len(data)-25)/8)
	for i := range x.sums {
		x.sums[i] = number(3 + i)
	}
	return nil
}

// has says whether a call is one that a filter chooses.
func (f *Filter) has(c *Call, terms []uint64) bool {
	if !f.Since.IsZero() && c.At.Before(f.Since) || !f.Until.IsZero() && !c.At.Before(f.Until) {
		return false
	}
	if len(terms) == 0 {
		return true
	}
	own := c.terms()
	return !slices.ContainsFunc(terms, func(t uint64) bool { return !slices.Contains(own, t) })
}

// readPage decodes a page.
func readPage(r store.Record) (calls []Call, err error) {
	d := json.NewDecoder(bytes.NewReader(r.Value))
	if err := d.Decode(&calls); err != nil {
		return nil, fmt.Errorf("page %s of calls: %w", r.ID.Key, err)
	}
	return calls, nil
}
