package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

// heap keeps blobs in memory and counts what is done with them.
type heap struct {
	blobs   map[string][]byte
	types   map[string]string
	longest int // write
	aborted int
	full    error
}

func newHeap() *heap { return &heap{blobs: map[string][]byte{}, types: map[string]string{}} }

func (h *heap) Stat(_ context.Context, id string) (abi.Blob, error) {
	data, ok := h.blobs[id]
	if !ok {
		return abi.Blob{}, &abi.Error{Code: abi.CodeDenied, Message: "there is no blob " + id}
	}
	return abi.Blob{ID: id, Size: int64(len(data)), MIME: h.types[id]}, nil
}

func (h *heap) Open(_ context.Context, id string) io.ReadCloser {
	return io.NopCloser(bytes.NewReader(h.blobs[id]))
}

func (h *heap) Create(_ context.Context, mime string) BlobWriter {
	return &heapWriter{heap: h, mime: mime}
}

type heapWriter struct {
	heap *heap
	mime string
	data bytes.Buffer
}

func (w *heapWriter) Write(p []byte) (int, error) {
	if w.heap.full != nil {
		return 0, w.heap.full
	}
	w.heap.longest = max(w.heap.longest, len(p))
	return w.data.Write(p)
}

func (w *heapWriter) Commit() (abi.Blob, error) {
	id := fmt.Sprint("blob-", len(w.heap.blobs))
	w.heap.blobs[id], w.heap.types[id] = w.data.Bytes(), w.mime
	return w.heap.Stat(context.Background(), id)
}

func (w *heapWriter) Abort() { w.heap.aborted++ }

// blobServer answers /n with n bytes, /zip with a packed canary, and any POST
// with what it was sent, mirrored.
func blobServer(t *testing.T) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch fmt.Sscanf(r.URL.Path, "/n/%d", &n); {
		case r.URL.Path == "/zip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/plain")
			z := gzip.NewWriter(w)
			io.WriteString(z, strings.Repeat("x", 100_000)+r.Header.Get("X-Key")+"y")
			z.Close()
		case r.URL.Path == "/again":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		default:
			w.Header().Set("Content-Type", "image/png")
			w.Write(bytes.Repeat([]byte{0xff}, n)) //nolint:errcheck // whoever reads it knows
		}
	})
}

func TestBlobOfAnAnswer(t *testing.T) {
	s := blobServer(t)
	blobs := newHeap()
	scope := newClient(t, nil).Open(Policy{
		Origins: []string{s.URL}, Blobs: blobs, BlobBytes: 250_000, HTTPBytes: 10, Requests: 100,
		Secrets: []abi.SecretRequest{{Name: "plain", Places: []string{"header:X-Key"}}},
	})
	get := func(path string) abi.HTTPRequest {
		return abi.HTTPRequest{URL: s.URL + path, Response: abi.ResponseBlob, Headers: map[string]string{"X-Key": handleOf(t, scope, "plain")}}
	}
	got := ok(t, scope, get("/n/100000"))
	if got.Blob == nil || got.Body+got.BodyBase64 != "" || got.Status != 200 || got.Blob.Size != 100_000 || got.Blob.MIME != "image/png" {
		t.Fatalf("got %+v", got)
	}
	if !bytes.Equal(blobs.blobs[got.Blob.ID], bytes.Repeat([]byte{0xff}, 100_000)) || blobs.longest > 64<<10 {
		t.Errorf("%d bytes are kept, in pieces of up to %d", len(blobs.blobs[got.Blob.ID]), blobs.longest)
	}
	// Unpacked, and redacted, wherever the pieces are cut.
	zipped := ok(t, scope, get("/zip"))
	if text := string(blobs.blobs[zipped.Blob.ID]); text != strings.Repeat("x", 100_000)+"[redacted]y" {
		t.Errorf("kept %d bytes, ending with %q", len(text), text[max(0, len(text)-30):])
	}
	if zipped.Headers["content-encoding"] != "" || zipped.Headers["content-length"] != "" {
		t.Errorf("headers are %v", zipped.Headers)
	}
	// The allowance is the call's: what is too long is dropped and counts not.
	refused(t, scope, get("/n/60000"), abi.CodeLimit, "limits: {blob: 500000}")
	if blobs.aborted != 1 {
		t.Errorf("%d blobs were aborted", blobs.aborted)
	}
	ok(t, scope, get("/n/40000"))
	if len(blobs.blobs) != 3 {
		t.Errorf("%d blobs", len(blobs.blobs))
	}
	blobs.full = &abi.Error{Code: abi.CodeUnavailable, Message: "disk full"}
	refused(t, scope, get("/n/10"), abi.CodeUnavailable, "disk full")
	if blobs.aborted != 2 {
		t.Errorf("%d blobs were aborted", blobs.aborted)
	}
	refused(t, scope, abi.HTTPRequest{URL: s.URL, Response: "file"}, abi.CodeInvalid, `ask for "blob"`)
	without := newClient(t, nil).Open(Policy{Origins: []string{s.URL}})
	before := s.count()
	refused(t, without, abi.HTTPRequest{URL: s.URL, Response: abi.ResponseBlob}, abi.CodeUnavailable, "can't keep a blob")
	refused(t, without, abi.HTTPRequest{URL: s.URL, BodyBlob: "blob-0"}, abi.CodeUnavailable, "no blobs")
	if s.count() != before {
		t.Error("a request arrived")
	}
}

// An answer without an end, and one that unpacks to more, end at the limit.
func TestEndlessBlob(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := io.Writer(w)
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			to = gzip.NewWriter(w)
		}
		for r.Context().Err() == nil {
			if _, err := to.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	blobs := newHeap()
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Blobs: blobs, BlobBytes: 100_000})
	for _, path := range []string{"/", "/bomb"} {
		refused(t, scope, abi.HTTPRequest{URL: s.URL + path, Response: abi.ResponseBlob}, abi.CodeLimit, "limits: {blob: 200000}")
	}
	if blobs.aborted != 2 || len(blobs.blobs) != 0 {
		t.Errorf("%d aborted, %d kept", blobs.aborted, len(blobs.blobs))
	}
}

func TestBlobAsBody(t *testing.T) {
	s := blobServer(t)
	blobs := newHeap()
	long := strings.Repeat("secretref_ {{x}} ", 100_000)
	blobs.blobs["mine"], blobs.types["mine"] = []byte(long), "image/png"
	connection := &Connection{ID: "c", BaseURL: s.URL, Auth: auth.Auth{Type: auth.HMAC, Secret: "plain", Header: "X-Signature", Signed: "{body}"}}
	scope := newClient(t, nil).Open(Policy{Origins: []string{"connection"}, Connection: connection, Blobs: blobs, HTTPBytes: 10, Requests: 100})
	for _, path := range []string{"/end", "/again"} { // a redirect sends it once more
		ok(t, scope, abi.HTTPRequest{Method: "PUT", URL: path, BodyBlob: "mine"})
		r, body := s.last(t)
		mac := hmac.New(sha256.New, []byte("canary-plain-1"))
		io.WriteString(mac, long)
		if body != long || r.ContentLength != int64(len(long)) || r.Header.Get("Content-Type") != "image/png" || r.Header.Get("X-Signature") != hex.EncodeToString(mac.Sum(nil)) || r.URL.Path != "/end" {
			t.Errorf("%s: %d bytes arrived at %s with %v", path, len(body), r.URL.Path, r.Header)
		}
	}
	ok(t, scope, abi.HTTPRequest{Method: "PUT", URL: "/end", BodyBlob: "mine", Headers: map[string]string{"content-type": "own/type"}})
	if r, _ := s.last(t); r.Header.Get("Content-Type") != "own/type" {
		t.Errorf("the guest's type became %q", r.Header.Get("Content-Type"))
	}
	before := s.count()
	refused(t, scope, abi.HTTPRequest{Method: "PUT", URL: "/end", BodyBlob: "invented"}, abi.CodeDenied, "no blob")
	refused(t, scope, abi.HTTPRequest{Method: "PUT", URL: "/end", BodyBlob: "mine", Body: "x"}, abi.CodeInvalid, "more than one")
	if s.count() != before {
		t.Error("a request arrived")
	}
}

// While there is a secret to hide, an answer that the host can't read is not
// handed over.
func TestUnreadableEncodings(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", r.URL.Query().Get("e"))
		if r.Method != http.MethodHead && r.URL.Query().Get("empty") == "" {
			io.WriteString(w, "opaque")
		}
	})
	client := newClient(t, nil)
	for _, encoding := range []string{"br", "deflate", "gzip, br", "zstd", "compress"} {
		url := s.URL + "/?e=" + strings.ReplaceAll(encoding, " ", "")
		secretive := everywhere(client, s.URL)
		handleOf(t, secretive, "plain")
		refused(t, secretive, abi.HTTPRequest{URL: url}, abi.CodeInvalid, "not asked for")
		ok(t, secretive, abi.HTTPRequest{Method: "HEAD", URL: url})
		ok(t, secretive, abi.HTTPRequest{URL: url + "&empty=1"})
		if got := ok(t, client.Open(Policy{Origins: []string{s.URL}}), abi.HTTPRequest{URL: url}); got.Body != "opaque" {
			t.Errorf("without a secret: %+v", got)
		}
	}
	// A part of an answer is asked for as it is.
	scope := client.Open(Policy{Origins: []string{s.URL}})
	ok(t, scope, abi.HTTPRequest{URL: s.URL, Headers: map[string]string{"Range": "bytes=0-9", "Accept-Encoding": "br"}})
	if r, _ := s.last(t); r.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
	}
}
