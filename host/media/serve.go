package media

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/problem"
)

// Request is what comes to an address.
type Request struct {
	ID        string // what stands behind Path
	Expires   string // the query's fields
	Signature string
	Range     string // the header; empty: all of it is wanted
}

// File is the answer. Its Body gives Size bytes, and is the caller's to close.
type File struct {
	Status int // 200 or 206
	Header map[string]string
	Size   int64
	Body   io.ReadCloser
}

// File gives what an address leads to. Errors are *problem.Details: 404 for what
// was not made here and for what is not there any more, 410 for an address whose
// time is over, 416 for a range beyond the end, 503 while the store can't be read.
func (m *Media) File(ctx context.Context, q Request) (File, error) {
	none := problem.New(404, "no_medium", "there is no such medium")
	if subtle.ConstantTimeCompare([]byte(m.sign(q.ID, q.Expires)), []byte(q.Signature)) != 1 {
		return File{}, none
	}
	seconds, err := strconv.ParseInt(q.Expires, 10, 64)
	if err != nil {
		return File{}, none
	}
	left := time.Unix(seconds, 0).Sub(m.config.Now())
	if left <= 0 {
		return File{}, problem.New(410, "expired", "this address served for a short while only; ask for another where it came from")
	}
	b, err := blob.Find(ctx, m.config.Store, q.ID)
	if errors.Is(err, blob.ErrNone) {
		return File{}, none
	}
	var begin []byte
	if err == nil {
		begin, err = beginning(blob.Read(ctx, m.config.Store, q.ID, 0))
	}
	if err != nil {
		return File{}, problem.Busy("not_read", "the medium could not be read; ask again", 10*time.Second)
	}
	first, last, ranged, ok := parseRange(q.Range, b.Size)
	if !ok {
		refused := problem.New(416, "range", "the range lies behind the end")
		refused.Header = map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", b.Size)}
		return File{}, refused
	}
	f := File{Header: map[string]string{
		"Cache-Control":                fmt.Sprintf("private, max-age=%d", int(left.Seconds())),
		"Accept-Ranges":                "bytes",
		"ETag":                         `"` + b.SHA256 + `"`,
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "cross-origin", // whoever has the address may show it
	}}
	f.Status, f.Size = 200, b.Size
	if ranged {
		f.Status, f.Size = 206, last+1-first
		f.Header["Content-Range"] = fmt.Sprintf("bytes %d-%d/%d", first, last, b.Size)
	}
	is := sniff(begin)
	f.Header["Content-Type"] = is.mime
	if !is.inline() {
		f.Header["Content-Type"] = "application/octet-stream"
		f.Header["Content-Disposition"] = `attachment; filename="medium` + is.ending + `"`
		f.Header["Content-Security-Policy"] = "sandbox; default-src 'none'"
	}
	f.Body = whole{io.LimitReader(blob.Read(ctx, m.config.Store, q.ID, first), f.Size)}
	return f, nil
}

// whole is a body that needs no closing.
type whole struct{ io.Reader }

func (whole) Close() error { return nil }

// parseRange reads the header Range (RFC 9110, section 14.2) if it asks for one
// range; others, and what is malformed, ask for all. ok is false for a range that
// lies behind the end.
func parseRange(header string, size int64) (first, last int64, ranged, ok bool) {
	text, is := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(text), "-")
	if !is || !dash || strings.Contains(text, ",") {
		return 0, 0, false, true
	}
	number := func(text string) int64 {
		n, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return -1
		}
		return int64(n)
	}
	switch {
	case from == "" && number(to) >= 0: // the last bytes
		if number(to) == 0 || size == 0 {
			return 0, 0, false, false
		}
		return max(size-number(to), 0), size - 1, true, true
	case number(from) < 0, to != "" && number(to) < number(from):
		return 0, 0, false, true
	case number(from) >= size:
		return 0, 0, false, false
	case to == "":
		return number(from), size - 1, true, true
	}
	return number(from), min(number(to), size-1), true, true
}
