package apichat

import (
	"context"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of getting a file.
const (
	fetchTime     = 60 * time.Second
	fetchRequests = 5 // redirects on the same origin included
)

// dataURL writes a file as an address that holds it (RFC 2397). Of its type the
// bare one: what stands behind that may hold what ends it. A file that is such an
// address already, as browsers read one, is it.
func dataURL(declared, data string) string {
	if IsInline(data) {
		return data
	}
	bare, _, err := mime.ParseMediaType(declared)
	if err != nil || strings.Contains(bare, ",") {
		bare = "application/octet-stream"
	}
	return "data:" + bare + ";base64," + data
}

// IsInline says whether an address holds its file.
func IsInline(address string) bool { return strings.HasPrefix(address, "data:") }

// Fetch gets the file of a user's message: from where the system says that it
// is, or out of the message. into bounds its size.
func (c *Chats) Fetch(ctx context.Context, ch catalog.Channel, m abi.Media, into egress.Blobs) (abi.Fetched, *abi.Error) {
	if IsInline(m.URL) {
		return inline(ctx, ch.ID, m, into)
	}
	s, failure := settings(ch)
	if failure != nil {
		return abi.Fetched{}, failure
	}
	p, err := policy(s, m.URL, s.PrivateFiles)
	if err != nil {
		return abi.Fetched{}, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("channel %q: the file's address: %v", ch.ID, err)}
	}
	p.Timeout, p.Requests, p.Blobs = fetchTime, fetchRequests, into
	answer, err := c.config.Egress.Open(p).Send(calling(ctx, ch.ID), abi.HTTPRequest{Method: http.MethodGet, URL: m.URL, Response: abi.ResponseBlob})
	if err != nil {
		failure := unsent(ch.ID, err)
		failure.Retryable = failure.Code == abi.CodeUnreachable || failure.Code == abi.CodeTimeout
		if failure.Code == abi.CodeDenied {
			failure.Message = fmt.Sprintf("channel %q: the file is at an address that is not public, or leads to another host: the system gives one that is public, or the file itself as data; or, where all who write are trusted, the channel has config: {allow_private_files: true}", ch.ID)
		}
		return abi.Fetched{}, failure
	}
	if answer.Status != http.StatusOK || answer.Blob == nil {
		failure := refused(ch.ID, answer, c.config.Now())
		if failure == nil {
			failure = &abi.Error{Code: abi.CodeBadOutput}
		}
		failure.Message = fmt.Sprintf("channel %q: the file's address answered with status %d", ch.ID, answer.Status)
		return abi.Fetched{}, failure
	}
	return abi.Fetched{Blob: *answer.Blob, MIME: answer.Headers["content-type"]}, nil
}

// inline takes a file out of its address.
func inline(ctx context.Context, channel string, m abi.Media, into egress.Blobs) (abi.Fetched, *abi.Error) {
	kind, text, ok := strings.Cut(strings.TrimPrefix(m.URL, "data:"), ";base64,")
	data, err := decode(text)
	if !ok || err != nil {
		return abi.Fetched{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: the file in the message is not base64", channel)}
	}
	w := into.Create(ctx, kind)
	if _, err := w.Write(data); err != nil {
		w.Abort()
		return abi.Fetched{}, unkept(channel, err)
	}
	b, err := w.Commit()
	if err != nil {
		return abi.Fetched{}, unkept(channel, err)
	}
	return abi.Fetched{Blob: b, MIME: kind}, nil
}

// unkept says why a file could not be kept: one that is too large will not be
// smaller.
func unkept(channel string, err error) *abi.Error {
	failure := unsent(channel, err)
	failure.Retryable = failure.Code != abi.CodeLimit
	return failure
}

// decode reads base64 as those write it who make addresses of it: with either
// alphabet, in lines, and padded or not (RFC 4648, sections 4 and 5).
func decode(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(text)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}
