package egress

import (
	"bytes"
	"context"
	"encoding/base64"
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

// body is what a request sends: bytes, or a blob. It can be read as often as
// redirects and signatures want it.
type body struct {
	data   []byte
	blob   *abi.Blob // nil for data
	secret bool      // data holds a secret
}

// put gives a request its body.
func (s *Scope) put(ctx context.Context, r *http.Request, b body) {
	size := int64(len(b.data))
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.data)), nil }
	if b.blob != nil {
		size = b.blob.Size
		open = func() (io.ReadCloser, error) { return s.policy.Blobs.Open(ctx, b.blob.ID), nil }
	}
	if size == 0 {
		return
	}
	r.ContentLength, r.GetBody = size, open
	r.Body, _ = open() //nolint:errcheck // neither fails
}

// readBody reads what the guest wants to send.
func (s *Scope) readBody(ctx context.Context, req abi.HTTPRequest, to target, header http.Header) (body, *abi.Error) {
	given := 0
	for _, text := range []string{req.Body, req.BodyBase64, req.BodyBlob} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		return body{}, fail(abi.CodeInvalid, "%s: the request has more than one of body, body_base64 and body_blob: give one", to.name())
	}
	if req.BodyBlob != "" {
		if s.policy.Blobs == nil {
			return body{}, fail(abi.CodeUnavailable, "%s: this call has no blobs: they belong to contacts and gateway runs", to.name())
		}
		blob, err := s.policy.Blobs.Stat(ctx, req.BodyBlob)
		if err != nil {
			return body{}, asError(err)
		}
		if header.Get("Content-Type") == "" && blob.MIME != "" {
			header.Set("Content-Type", blob.MIME)
		}
		return body{blob: &blob}, nil
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
	return body{data: data, secret: secret}, nil
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
