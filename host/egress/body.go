package egress

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

// Blobs are the bytes that a call can refer to, and the place for new ones.
// Errors are *abi.Error for what the guest did wrong.
type Blobs interface {
	// Stat describes a blob; an id that this call has no right to is refused.
	Stat(ctx context.Context, id string) (abi.Blob, error)
	// Open reads a blob that Stat has described.
	Open(ctx context.Context, id string) io.ReadCloser
	// Create begins a blob.
	Create(ctx context.Context, mime string) BlobWriter
}

// BlobWriter takes the bytes of a new blob. Commit makes it one that can be
// referred to; Abort drops it instead.
type BlobWriter interface {
	io.Writer
	Commit() (abi.Blob, error)
	Abort()
}

// body is what a request sends: pieces, one after the other. It can be read as
// often as redirects and signatures want it.
type body struct {
	pieces []piece
	secret bool // a piece holds a secret
	// security is where credentials of the connection may stand in the one
	// piece that there is; nil: nowhere.
	security *abi.WSSecurity
}

// piece is bytes, or a blob.
type piece struct {
	data []byte
	blob *abi.Blob // nil for data
}

func (b body) size() (n int64) {
	for _, p := range b.pieces {
		if n += int64(len(p.data)); p.blob != nil {
			n += p.blob.Size
		}
	}
	return n
}

// start gives the beginning of a body, as far as it is in memory.
func (b body) start(most int) (data []byte) {
	for _, p := range b.pieces {
		if p.blob != nil || len(data) == most {
			break
		}
		data = append(data, p.data[:min(len(p.data), most-len(data))]...)
	}
	return data
}

// reading reads the pieces of a body, and opens each blob when its turn comes.
type reading struct {
	ctx   context.Context //nolint:containedctx // of the request, and lives as long
	blobs Blobs
	rest  []piece
	open  io.ReadCloser // of the piece before rest; nil: none
}

func (r *reading) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if len(r.rest) == 0 {
				return 0, io.EOF
			}
			next := r.rest[0]
			r.rest = r.rest[1:]
			if r.open = io.NopCloser(bytes.NewReader(next.data)); next.blob != nil {
				r.open = r.blobs.Open(r.ctx, next.blob.ID)
			}
		}
		n, err := r.open.Read(p)
		if errors.Is(err, io.EOF) {
			err = r.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Close ends the piece that is being read.
func (r *reading) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

// put gives a request its body.
func (s *Scope) put(ctx context.Context, r *http.Request, b body) {
	size := b.size()
	if size == 0 {
		return
	}
	open := func() (io.ReadCloser, error) {
		return &reading{ctx: ctx, blobs: s.policy.Blobs, rest: b.pieces}, nil
	}
	r.ContentLength, r.GetBody = size, open
	r.Body, _ = open() //nolint:errcheck // it does not fail
}

// readBody reads what the guest wants to send.
func (s *Scope) readBody(ctx context.Context, req abi.HTTPRequest, to target, header http.Header) (body, *abi.Error) {
	given := 0
	for _, there := range []bool{req.Body != "", req.BodyBase64 != "", req.BodyBlob != "", len(req.Parts) > 0} {
		if there {
			given++
		}
	}
	switch {
	case given > 1:
		return body{}, fail(abi.CodeInvalid, "%s: the request has more than one of body, body_base64, body_blob and parts: give one", to.name())
	case len(req.Parts) > 0:
		return s.readParts(ctx, req.Parts, to, header)
	case req.BodyBlob != "":
		blob, failure := s.stat(ctx, to, req.BodyBlob)
		if failure != nil {
			return body{}, failure
		}
		if header.Get("Content-Type") == "" && blob.MIME != "" {
			header.Set("Content-Type", blob.MIME)
		}
		return body{pieces: []piece{{blob: blob}}}, nil
	}
	data := []byte(req.Body)
	if req.BodyBase64 != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(req.BodyBase64); err != nil {
			return body{}, fail(abi.CodeInvalid, "%s: body_base64 is not standard base64", to.name())
		}
	}
	data, secret, failure := s.fillBody(to, data, header.Get("Content-Type"))
	if failure != nil {
		return body{}, failure
	}
	if int64(len(data)) > s.policy.HTTPBytes {
		return body{}, s.tooLong(to.name(), "the request's body")
	}
	if place := req.WSSecurity; place != nil && s.secures(to) {
		if secret || place.At < 0 || place.At > len(data) {
			return body{}, fail(abi.CodeInvalid, "%s: ws_security.at %d is no place in a body of %d bytes without secrets", to.name(), place.At, len(data))
		}
	}
	return body{pieces: []piece{{data: data}}, secret: secret, security: req.WSSecurity}, nil
}

// stat describes a blob that a request sends.
func (s *Scope) stat(ctx context.Context, to target, id string) (*abi.Blob, *abi.Error) {
	if s.policy.Blobs == nil {
		return nil, fail(abi.CodeUnavailable, "%s: this call has no blobs: they belong to contacts and gateway runs", to.name())
	}
	blob, err := s.policy.Blobs.Stat(ctx, id)
	if err != nil {
		return nil, asError(err)
	}
	return &blob, nil
}

// store makes a blob of an answer's body, which is redacted already.
func (s *Scope) store(ctx context.Context, from io.Reader, mime string) (*abi.Blob, error) {
	if strings.ContainsFunc(mime, func(r rune) bool { return r < ' ' }) || len(mime) > maxMIME {
		mime = ""
	}
	w := s.policy.Blobs.Create(ctx, mime)
	if _, err := io.Copy(w, from); err != nil {
		w.Abort()
		return nil, err
	}
	blob, err := w.Commit()
	return &blob, err
}

const maxMIME = 200 // bytes of a blob's type; a longer one is left out

// takeBlobs takes all that blobs of this call may still have; giveBlobs gives
// back what was not used.
func (s *Scope) takeBlobs() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.blobs
	s.blobs = 0
	return left
}

func (s *Scope) giveBlobs(unused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs += unused
}

func (s *Scope) tooManyBlobs(named string) *abi.Error {
	return fail(abi.CodeLimit, "%s: the blobs of this call would have more than %d bytes together: %s", named, s.policy.BlobBytes, raise("blob", grant.Size(s.policy.BlobBytes), grant.Ceiling().Blob))
}
