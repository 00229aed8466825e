package egress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

// read takes a body apart as servers do, with what each part's own headers say.
func readForm(t *testing.T, contentType, body string) (heads []string, contents []string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	form := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			return heads, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, part.Header.Get("Content-Disposition")+" | "+part.Header.Get("Content-Type"))
		contents = append(contents, string(content))
	}
}

func TestPartsOfABody(t *testing.T) {
	s := serve(t, nil)
	blobs := newHeap()
	blobs.blobs["photo"], blobs.types["photo"] = bytes.Repeat([]byte{0xff}, 50_000), "image/png"
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Blobs: blobs, HTTPBytes: 5000, Requests: 100})
	parts := []abi.HTTPPart{
		{Name: "chat_id", Text: "42"},
		{Name: "a \"b\"; c", Text: "ação\r\n--not-a-boundary\r\n"},
		{Name: "photo", Filename: "foto \"1\".png", Blob: "photo"},
		{Name: "thumb", Filename: "t.jpg", Type: "image/jpeg", Base64: "AP8="},
		{Name: "inline", Blob: "photo", Type: "image/webp"},
		{Name: "raw", Filename: "r"},
	}
	ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Parts: parts})
	request, body := s.last(t)
	if request.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length is %d of %d bytes", request.ContentLength, len(body))
	}
	heads, contents := readForm(t, request.Header.Get("Content-Type"), body)
	photo := string(blobs.blobs["photo"])
	wantHeads := []string{
		`form-data; name="chat_id" | `, `form-data; name="a \"b\"; c" | `, `form-data; name="photo"; filename="foto \"1\".png" | image/png`,
		`form-data; name="thumb"; filename="t.jpg" | image/jpeg`, `form-data; name="inline" | image/webp`, `form-data; name="raw"; filename="r" | application/octet-stream`,
	}
	if !reflect.DeepEqual(heads, wantHeads) || !reflect.DeepEqual(contents, []string{"42", parts[1].Text, photo, "\x00\xff", photo, ""}) {
		t.Errorf("heads are %q, contents %.200q", heads, contents)
	}
	// Read back, they are the same but for blobs and defaults.
	back, isForm := Parts(request.Header.Get("Content-Type"), []byte(body))
	if !isForm || len(back) != len(parts) || back[1] != parts[1] || back[2].Filename != parts[2].Filename || back[3] != parts[3] {
		t.Errorf("read back: %+.300v", back)
	}
	if _, isForm := Parts("application/json", []byte(`{}`)); isForm {
		t.Error("JSON passes for parts")
	}
	// The boundary is another one each time: content can't know it.
	first := request.Header.Get("Content-Type")
	ok(t, scope, abi.HTTPRequest{Method: "DELETE", URL: s.URL, Parts: parts})
	if again, _ := s.last(t); again.Header.Get("Content-Type") == first || again.Method != "DELETE" {
		t.Errorf("two requests have the boundary of %s", first)
	}
}

func TestPartsThatAreRefused(t *testing.T) {
	s := serve(t, nil)
	one := []abi.HTTPPart{{Name: "a", Text: "b"}}
	for _, test := range []struct {
		name       string
		request    abi.HTTPRequest
		code, text string
	}{
		{"another body", abi.HTTPRequest{Body: "x", Parts: one}, abi.CodeInvalid, "body, body_base64, body_blob and parts"},
		{"a type", abi.HTTPRequest{Headers: map[string]string{"content-type": "multipart/form-data; boundary=x"}, Parts: one}, abi.CodeInvalid, "Content-Type is the host's"},
		{"no name", abi.HTTPRequest{Parts: []abi.HTTPPart{{Text: "x"}}}, abi.CodeInvalid, "part 0 has no name"},
		{"a line break in a name", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a\r\nX: y"}}}, abi.CodeInvalid, "the name of part 0"},
		{"a line break in a file's name", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Filename: "b\nc"}}}, abi.CodeInvalid, "the filename of part 0"},
		{"a line break in a type", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Type: "b\rc"}}}, abi.CodeInvalid, "the type of part 0"},
		{"two contents", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Text: "b", Base64: "Yg=="}}}, abi.CodeInvalid, "more than one of text, base64 and blob"},
		{"no base64", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Base64: "?"}}}, abi.CodeInvalid, "the base64 of part 0"},
		{"an unknown blob", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Blob: "b"}}}, abi.CodeDenied, "no blob b"},
		{"too long", abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Text: strings.Repeat("x", 600)}, {Name: "b", Text: strings.Repeat("x", 600)}}}, abi.CodeLimit, "longer than 1000 bytes"},
		{"too many", abi.HTTPRequest{Parts: make([]abi.HTTPPart, maxParts+1)}, abi.CodeLimit, "256 is the most"},
	} {
		t.Run(test.name, func(t *testing.T) {
			scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Blobs: newHeap(), HTTPBytes: 1000})
			test.request.Method, test.request.URL = "POST", s.URL
			refused(t, scope, test.request, test.code, test.text)
		})
	}
	bare := newClient(t, nil).Open(Policy{Origins: []string{s.URL}})
	refused(t, bare, abi.HTTPRequest{Method: "POST", URL: s.URL, Parts: []abi.HTTPPart{{Name: "a", Blob: "b"}}}, abi.CodeUnavailable, "no blobs")
	if s.count() != 0 {
		t.Errorf("%d requests were sent", s.count())
	}
}

func TestSecretsInParts(t *testing.T) {
	s := serve(t, nil)
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Secrets: []abi.SecretRequest{
		{Name: "token", Places: []string{"body"}}, {Name: "plain", Places: []string{"header:X-Key"}},
	}})
	handle := handleOf(t, scope, "token")
	ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Parts: []abi.HTTPPart{{Name: "key", Text: "<" + handle + ">"}}})
	request, body := s.last(t)
	if _, contents := readForm(t, request.Header.Get("Content-Type"), body); !reflect.DeepEqual(contents, []string{"<" + token + ">"}) {
		t.Errorf("sent %q", contents)
	}
	for _, part := range []abi.HTTPPart{{Name: handle}, {Name: "a", Filename: handle}, {Name: "a", Type: handle}} {
		refused(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Parts: []abi.HTTPPart{part}}, abi.CodeInvalid, "content is the place")
	}
	refused(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Parts: []abi.HTTPPart{{Name: "a", Text: handleOf(t, scope, "plain")}}}, abi.CodeDenied, `may not be placed in body`)
}

// What redirects, refused tokens and signatures read is the same body as what
// is sent.
func TestPartsAreReadAgain(t *testing.T) {
	blobs := newHeap()
	blobs.blobs["photo"] = bytes.Repeat([]byte{0x80}, 70_000)
	parts := []abi.HTTPPart{{Name: "a", Text: "1"}, {Name: "photo", Filename: "p", Blob: "photo"}, {Name: "b", Text: "2"}}
	t.Run("redirect", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/again" {
				http.Redirect(w, r, "/end", http.StatusPermanentRedirect)
			}
		})
		scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Blobs: blobs})
		ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL + "/again", Parts: parts})
		if len(s.body) != 2 || s.body[0] != s.body[1] || s.seen[0].Header.Get("Content-Type") != s.seen[1].Header.Get("Content-Type") {
			t.Errorf("%d bodies, and they differ", len(s.body))
		}
	})
	t.Run("a token that is refused", func(t *testing.T) {
		tries := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				io.WriteString(w, `{"access_token":"canary-access","expires_in":3600}`) //nolint:errcheck // whoever reads it knows
				return
			}
			if tries++; tries == 1 {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		scope := newClient(t, nil).Open(Policy{Origins: []string{abi.EgressConnection}, Blobs: blobs, Connection: &Connection{ID: "crm", BaseURL: s.URL,
			Auth: auth.Auth{Type: auth.OAuth2, TokenURL: s.URL + "/token", ClientID: "c", Secret: "plain"}}})
		if answer := ok(t, scope, abi.HTTPRequest{Method: "POST", URL: "/upload", Parts: parts}); answer.Status != 200 || tries != 2 {
			t.Fatalf("status %d after %d tries", answer.Status, tries)
		}
		var uploads []string
		for i, r := range s.seen {
			if r.URL.Path == "/upload" {
				uploads = append(uploads, s.body[i])
			}
		}
		if uploads[0] != uploads[1] || !strings.Contains(uploads[1], string(blobs.blobs["photo"])) {
			t.Error("the second try sent another body")
		}
	})
	t.Run("hmac and sigv4", func(t *testing.T) {
		s := serve(t, nil)
		send := func(a auth.Auth) (*http.Request, string) {
			scope := newClient(t, nil).Open(Policy{Origins: []string{abi.EgressConnection}, Blobs: blobs, Connection: &Connection{ID: "x", BaseURL: s.URL, Auth: a}})
			ok(t, scope, abi.HTTPRequest{Method: "POST", URL: "/", Parts: parts})
			return s.last(t)
		}
		request, body := send(auth.Auth{Type: auth.HMAC, Secret: "plain", Header: "X-Sign", Signed: "{body}"})
		mac := hmac.New(sha256.New, []byte("canary-plain-1"))
		mac.Write([]byte(body))
		if got := request.Header.Get("X-Sign"); got != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("hmac is %s", got)
		}
		request, body = send(auth.Auth{Type: auth.SigV4, Secret: "plain", AccessKey: "AKIAEXAMPLE", Region: "sa-east-1", Service: "s3"})
		sum := sha256.Sum256([]byte(body))
		if got := request.Header.Get("X-Amz-Content-Sha256"); got != hex.EncodeToString(sum[:]) {
			t.Errorf("sigv4's hash is %s", got)
		}
	})
}
