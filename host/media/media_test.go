package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// vault is a map.
type vault map[string]string

func (v vault) Get(name string) (string, error) { return v[name], nil }
func (v vault) Put(name, value string) error    { v[name] = value; return nil }

// rig is media with a clock of their own.
type rig struct {
	*testing.T
	*Media
	keys vault
	now  time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, keys: vault{}, now: time.Unix(1_800_000_000, 0)}
	m, err := Open(Config{
		Store: memory.Open(memory.NewDisk(), nil), Vault: r.keys, PublicURL: "https://bots.example.com/x", Max: 3 << 20,
		Now: func() time.Time { return r.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Media = m
	return r
}

// keep keeps bytes for an owner.
func (r *rig) keep(owner string, data []byte) abi.Blob {
	r.Helper()
	w := r.Of(owner).Create(context.Background(), "")
	if _, err := w.Write(data); err != nil {
		r.Fatal(err)
	}
	blob, err := w.Commit()
	if err != nil {
		r.Fatal(err)
	}
	return blob
}

// request takes an address apart, as the server does.
func (r *rig) request(address string) Request {
	r.Helper()
	u, err := url.Parse(address)
	if err != nil {
		r.Fatal(err)
	}
	id, ok := strings.CutPrefix(u.Path, "/x"+Path)
	if !ok || u.Host != "bots.example.com" {
		r.Fatalf("the address is %s", address)
	}
	return Request{ID: id, Expires: u.Query().Get(FieldExpires), Signature: u.Query().Get(FieldSignature)}
}

// get gives the status of an answer and its body.
func (r *rig) get(q Request) (int, string, map[string]string) {
	r.Helper()
	f, err := r.File(r.Context(), q)
	if refused, is := errors.AsType[*problem.Details](err); is {
		return refused.Status, refused.Code, refused.Header
	}
	if err != nil {
		r.Fatal(err)
	}
	defer f.Body.Close()
	data, err := io.ReadAll(f.Body)
	if err != nil || int64(len(data)) != f.Size {
		r.Errorf("%d bytes of %d came: %v", len(data), f.Size, err)
	}
	return f.Status, string(data), f.Header
}

var png = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), bytes.Repeat([]byte("x"), 2<<20)...)

// TestAddresses: an address serves what it was made for, for as long as it says,
// and no other address serves anything.
func TestAddresses(t *testing.T) {
	r := newRig(t)
	one, other := r.keep("contact:wa/a:1", png), r.keep("contact:wa/a:2", []byte("another"))
	address := r.URL(one.ID)
	q := r.request(address)
	status, body, header := r.get(q)
	if status != 200 || body != string(png) || header["Content-Type"] != "image/png" || header["X-Content-Type-Options"] != "nosniff" || header["Content-Disposition"] != "" {
		t.Errorf("%d, %d bytes, %v", status, len(body), header)
	}
	later := fmt.Sprint(r.now.Add(48 * time.Hour).Unix())
	flipped := []byte(q.Signature)
	flipped[3] ^= 1
	for name, wrong := range map[string]Request{
		"another medium":      {ID: other.ID, Expires: q.Expires, Signature: q.Signature},
		"a later end":         {ID: q.ID, Expires: later, Signature: q.Signature},
		"the same end":        {ID: q.ID, Expires: "0" + q.Expires, Signature: q.Signature},
		"another signature":   {ID: q.ID, Expires: q.Expires, Signature: string(flipped)},
		"no signature":        {ID: q.ID, Expires: q.Expires},
		"a longer signature":  {ID: q.ID, Expires: q.Expires, Signature: q.Signature + "A"},
		"no end":              {ID: q.ID, Signature: q.Signature},
		"a path":              {ID: "../" + q.ID, Expires: q.Expires, Signature: q.Signature},
		"fields moved":        {ID: q.ID + "\n" + q.Expires, Expires: "", Signature: q.Signature},
		"nothing":             {},
		"signed, and unknown": {ID: "blob_AAAAAAAAAAAAAAAAAAAAAAAAAA", Expires: q.Expires, Signature: r.sign("blob_AAAAAAAAAAAAAAAAAAAAAAAAAA", q.Expires)},
		"signed, and no id":   {ID: "../../etc/passwd", Expires: q.Expires, Signature: r.sign("../../etc/passwd", q.Expires)},
		"signed, and no end":  {ID: q.ID, Expires: "soon", Signature: r.sign(q.ID, "soon")},
	} {
		if status, code, _ := r.get(wrong); status != 404 || code != "no_medium" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	again, err := Open(Config{Store: r.config.Store, Vault: r.keys, PublicURL: r.config.PublicURL, Now: r.config.Now})
	if err != nil || again.URL(one.ID) != address {
		t.Errorf("after a restart the address is another: %v", err)
	}
	elsewhere, err := Open(Config{Store: r.config.Store, Vault: vault{}, Now: r.config.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.File(t.Context(), q); err == nil {
		t.Error("another host's key opens it")
	}
	if elsewhere.URL(one.ID) != "" {
		t.Error("a host without a public address gives one")
	}
	r.now = r.now.Add(time.Hour - time.Second)
	if status, _, _ := r.get(q); status != 200 {
		t.Errorf("a second before its end: %d", status)
	}
	r.now = r.now.Add(time.Second)
	if status, code, _ := r.get(q); status != 410 || code != "expired" {
		t.Errorf("at its end: %d %s", status, code)
	}
	if _, err := Open(Config{Store: r.config.Store, Vault: vault{keyName: "short"}}); err == nil {
		t.Error("a damaged key is used")
	}
}

// TestRanges: a part of a medium, as players ask for it (RFC 9110, section 14).
func TestRanges(t *testing.T) {
	r := newRig(t)
	blob := r.keep("a", png)
	n := len(png)
	q := r.request(r.URL(blob.ID))
	for text, want := range map[string]struct {
		status   int
		from, to int // of the bytes
	}{
		"bytes=0-":                            {206, 0, n},
		"bytes=5-9":                           {206, 5, 10},
		"bytes=1048575-1048577":               {206, 1048575, 1048578},
		"bytes=-4":                            {206, n - 4, n},
		fmt.Sprint("bytes=", n-1, "-", n+100): {206, n - 1, n},
		fmt.Sprint("bytes=-", n+100):          {206, 0, n},
		fmt.Sprint("bytes=", n, "-"):          {416, 0, 0},
		"bytes=-0":                            {416, 0, 0},
		"bytes=0-1,5-6":                       {200, 0, n},
		"bytes=9-5":                           {200, 0, n},
		"bytes=a-b":                           {200, 0, n},
		"bytes=-":                             {200, 0, n},
		"bytes=99999999999999999999999-":      {200, 0, n},
		"lines=1-2":                           {200, 0, n},
		"bytes=" + strings.Repeat("9", 300) + "-": {200, 0, n},
	} {
		q.Range = text
		status, body, header := r.get(q)
		if status != want.status || status < 400 && body != string(png[want.from:want.to]) {
			t.Errorf("%.40s: %d with %d bytes, want %d with %d", text, status, len(body), want.status, want.to-want.from)
		}
		said := header["Content-Range"]
		if status == 206 && said != fmt.Sprintf("bytes %d-%d/%d", want.from, want.to-1, n) || status == 416 && said != fmt.Sprintf("bytes */%d", n) {
			t.Errorf("%.40s: Content-Range %q", text, said)
		}
	}
}

// TestDangerousTypes: what a browser would run is only saved, whatever it is
// said to be; and a flow learns what it is.
func TestDangerousTypes(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct{ data, declared, want, served string }{
		{"<!DOCTYPE html><script>alert(1)</script>", "image/png", "text/html", ""},
		{"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>", "image/png", "image/svg+xml", ""},
		{"plain words", "text/csv; charset=utf-8", "text/csv", ""},
		{"plain words", "text/html", "text/plain", ""},
		{"plain words", "image/png", "text/plain", ""},
		{"\x00\x01\x02\x03", "application/x-thing", "application/x-thing", ""},
		{"\x00\x01\x02\x03", "image/svg+xml", "application/octet-stream", ""},
		{"\x00\x01\x02\x03", "no type", "application/octet-stream", ""},
		{"%PDF-1.7\n", "text/html", "application/pdf", "application/pdf"},
		{"GIF89a" + strings.Repeat("\x00", 20), "", "image/gif", "image/gif"},
		{"\xff\xd8\xff\xe0\x00\x10JFIF", "image/png", "image/jpeg", "image/jpeg"},
		{"OggS\x00\x02" + strings.Repeat("\x00", 22) + "OpusHead\x01\x02", "audio/ogg; codecs=opus", "audio/ogg", "audio/ogg"},
		{"\x1f\x8b\x08\x00", "image/png", "application/gzip", ""},
		{"MZ\x90\x00", "image/png", "application/vnd.microsoft.portable-executable", ""},
		{"", "", "text/plain", ""},
	} {
		blob := r.keep("a", []byte(test.data))
		kept, err := r.Kept(t.Context(), "a", blob.ID, test.declared)
		if err != nil || kept.MIME != test.want || kept.Size != int64(len(test.data)) {
			t.Errorf("%.20q said to be %s is %+v, %v", test.data, test.declared, kept, err)
		}
		_, _, header := r.get(r.request(r.URL(blob.ID)))
		if test.served == "" {
			if header["Content-Type"] != "application/octet-stream" || !strings.HasPrefix(header["Content-Disposition"], "attachment") || !strings.Contains(header["Content-Security-Policy"], "sandbox") {
				t.Errorf("%.20q is served with %v", test.data, header)
			}
		} else if header["Content-Type"] != test.served || header["Content-Disposition"] != "" {
			t.Errorf("%.20q is served with %v", test.data, header)
		}
		if header["X-Content-Type-Options"] != "nosniff" {
			t.Errorf("%.20q is served with %v", test.data, header)
		}
	}
	if _, err := r.Kept(t.Context(), "b", r.keep("a", png).ID, ""); err == nil {
		t.Error("a medium of another's is described")
	}
}

// TestTooBig: what goes over the size of a medium is refused while it comes.
func TestTooBig(t *testing.T) {
	r := newRig(t)
	w := r.Of("a").Create(t.Context(), "")
	if _, err := w.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	_, err := w.Write([]byte("x"))
	if failure, is := errors.AsType[*abi.Error](err); !is || failure.Code != abi.CodeLimit || !strings.Contains(failure.Message, "media: {max") {
		t.Errorf("a byte more: %v", err)
	}
	w.Abort()
}

func TestSame(t *testing.T) {
	sum := sha256.Sum256([]byte("x"))
	blob := abi.Blob{SHA256: hex.EncodeToString(sum[:])}
	for given, want := range map[string]bool{
		hex.EncodeToString(sum[:]):                     true,
		strings.ToUpper(hex.EncodeToString(sum[:])):    true,
		base64.StdEncoding.EncodeToString(sum[:]):      true,
		base64.RawURLEncoding.EncodeToString(sum[:]):   true,
		hex.EncodeToString(sum[:31]) + "00":            false,
		base64.StdEncoding.EncodeToString([]byte("y")): false,
		"":           false,
		"not a hash": false,
		base64.StdEncoding.EncodeToString(append(sum[:31:31], 1)): false,
	} {
		if Same(blob, given) != want {
			t.Errorf("%q: %v", given, !want)
		}
	}
}
