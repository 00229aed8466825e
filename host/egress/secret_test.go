package egress

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/pdk/abi"
)

// everywhere opens a scope whose secrets may be placed anywhere.
func everywhere(c *Client, origins ...string) *Scope {
	places := []string{"header:X-Key", "query:key", "path", "body"}
	var requests []abi.SecretRequest
	for _, name := range []string{"token", "plain", "lines", "dots", "short", "nowhere"} {
		requests = append(requests, abi.SecretRequest{Name: name, Places: places})
	}
	return c.Open(Policy{Origins: origins, Secrets: requests, Requests: 1000})
}

func handleOf(t *testing.T, s *Scope, name string) string {
	t.Helper()
	h, err := s.SecretRef(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A secret of the manifest may have another name on this host, which is the one
// that a grant's bounds mean.
func TestNamedSecrets(t *testing.T) {
	s, other := serve(t, nil), serve(t, nil)
	scope := newClient(t, nil).Open(Policy{
		Origins: []string{s.URL, other.URL}, Secrets: []abi.SecretRequest{{Name: "bot_token", Places: []string{"path"}}, {Name: "plain", Places: []string{"path"}}},
		Named: map[string]string{"bot_token": "token", "plain": "nowhere"}, Bound: map[string][]string{"token": {s.URL}},
	})
	h := handleOf(t, scope, "bot_token")
	ok(t, scope, abi.HTTPRequest{URL: s.URL + "/bot" + h + "/send"})
	if r, _ := s.last(t); r.URL.Path != "/bot"+token+"/send" {
		t.Errorf("path is %s", r.URL.Path)
	}
	if got := scope.Redact("it was " + token); strings.Contains(got, token) {
		t.Errorf("redacted to %q", got)
	}
	if _, err := scope.Send(t.Context(), abi.HTTPRequest{URL: other.URL + "/bot" + h}); err == nil || !strings.Contains(err.Error(), "may not go to") {
		t.Errorf("toward an origin that it is not bound to: %v", err)
	}
	if _, err := scope.SecretRef("plain"); err == nil {
		t.Error("its own name served where another was given")
	}
	if _, err := scope.SecretRef("token"); err == nil {
		t.Error("the host's name served where the manifest has another")
	}
}

// A value is encoded so that the other side reads exactly the value.
func TestPlaces(t *testing.T) {
	s := serve(t, nil)
	scope := everywhere(newClient(t, nil), s.URL)
	h := handleOf(t, scope, "token")
	ok(t, scope, abi.HTTPRequest{URL: s.URL + "/bot" + h + "/send?a=" + "1&key=" + h + "&z=%20", Headers: map[string]string{"x-key": "Key " + h}})
	r, _ := s.last(t)
	if r.URL.Path != "/bot"+token+"/send" || strings.Count(r.URL.EscapedPath(), "/") != 2 {
		t.Errorf("path is %s", r.URL.EscapedPath())
	}
	if q := r.URL.Query(); len(q) != 3 || q.Get("key") != token || q.Get("z") != " " {
		t.Errorf("query is %s", r.URL.RawQuery)
	}
	if r.Header.Get("X-Key") != "Key "+token {
		t.Errorf("header is %q", r.Header.Get("X-Key"))
	}
	send := func(contentType, body string) string {
		headers := map[string]string{}
		if contentType != "" {
			headers["Content-Type"] = contentType
		}
		ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Headers: headers, Body: body})
		_, got := s.last(t)
		return got
	}
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/vnd.api+json", ""} {
		var got struct{ A, B string }
		if text := send(contentType, `{"a":"x`+h+`","b":"`+h+`"}`); json.Unmarshal([]byte(text), &got) != nil || got.A != "x"+token || got.B != token {
			t.Errorf("%s: %s", contentType, text)
		}
	}
	if got, err := url.ParseQuery(send("application/x-www-form-urlencoded", "a=1&b="+h)); err != nil || len(got) != 2 || got.Get("b") != token {
		t.Errorf("form: %v", got)
	}
	if got := send("text/xml; charset=utf-8", "<a>"+h+"</a>"); strings.Count(got, "<") != 2 || !strings.Contains(got, "&lt;7f3a9&gt;&amp;ü") {
		t.Errorf("xml: %s", got)
	}
	if got := send("text/plain", h+h); got != token+token {
		t.Errorf("text: %s", got)
	}
	before := s.count()
	get := func(path, header string) abi.HTTPRequest {
		return abi.HTTPRequest{URL: s.URL + path, Headers: map[string]string{"X-Key": header}}
	}
	refused(t, scope, get("/", handleOf(t, scope, "lines")), abi.CodeInvalid, "line break")
	refused(t, scope, get("/"+handleOf(t, scope, "dots")+"/x", ""), abi.CodeInvalid, ". or ..")
	if s.count() != before {
		t.Error("a request arrived")
	}
}

// What data spells is never replaced, nor a handle of another scope, nor a
// handle at a place that the manifest does not declare.
func TestHandleLookAlikes(t *testing.T) {
	s := serve(t, nil)
	client := newClient(t, nil)
	scope, other := everywhere(client, s.URL), everywhere(client, s.URL)
	mine, foreign := handleOf(t, scope, "plain"), handleOf(t, other, "plain")
	if mine == foreign || handleOf(t, scope, "plain") != mine || len(mine) < 26 {
		t.Fatalf("handles are %s and %s", mine, foreign)
	}
	for _, text := range []string{
		"{{secret:plain}}", "${plain}", "secretref_", "secretref_AAAAAAAAAAAAAAAAAAAAAAAAAA", foreign, strings.ToLower(mine), mine[:len(mine)-1],
		"secret_ref(plain)", "TRAMA_SECRET_PLAIN", "{{ env.TRAMA_SECRET_PLAIN }}",
	} {
		ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL + "/?key=" + url.QueryEscape(text), Body: text, Headers: map[string]string{"X-Key": text}})
		r, body := s.last(t)
		if body != text || r.Header.Get("X-Key") != text || r.URL.Query().Get("key") != text {
			t.Errorf("%q arrived as %q, %q, %q", text, body, r.Header.Get("X-Key"), r.URL.RawQuery)
		}
	}
	// A value is not looked at again: one that spells a handle stays as it is.
	before := s.count()
	narrow := client.Open(Policy{Origins: []string{s.URL}, Requests: 1000, Secrets: []abi.SecretRequest{
		{Name: "plain", Places: []string{"header:X-Key"}}, {Name: "token", Places: []string{"the name of a query parameter", "header:", "query:", "", "header", "Body", "body ", "*"}},
	}})
	for _, name := range []string{"plain", "token"} {
		h := handleOf(t, narrow, name)
		for _, req := range []abi.HTTPRequest{
			{URL: s.URL + "/" + h}, {URL: s.URL + "/?key=" + h}, {Method: "POST", URL: s.URL, Body: h}, {Method: "POST", URL: s.URL, BodyBase64: base64.StdEncoding.EncodeToString([]byte(h))},
			{URL: s.URL, Headers: map[string]string{"X-Keys": h}}, {URL: s.URL, Headers: map[string]string{"Authorization": "Bearer " + h}},
		} {
			refused(t, narrow, req, abi.CodeDenied, "may not be placed")
		}
		refused(t, narrow, abi.HTTPRequest{URL: "http://" + h + ".test/"}, abi.CodeDenied, "not granted")
	}
	refused(t, narrow, abi.HTTPRequest{URL: "http://127.0.0.1:1/", Headers: map[string]string{"X-Key": handleOf(t, narrow, "plain")}}, abi.CodeDenied, "not granted")
	if s.count() != before {
		t.Error("a request arrived")
	}
	ok(t, narrow, abi.HTTPRequest{URL: s.URL, Headers: map[string]string{"x-kEY": handleOf(t, narrow, "plain")}})
	// A name is not a place: the handle stays text, and no value shows.
	ok(t, narrow, abi.HTTPRequest{URL: s.URL + "/?" + handleOf(t, narrow, "token") + "=1"})
	if r, _ := s.last(t); strings.Contains(r.URL.RawQuery, "canary") {
		t.Errorf("query is %s", r.URL.RawQuery)
	}
}

// Whatever data spells, at every place and in every type of body, arrives as
// it is beside a handle that is replaced.
func TestDataIsNeverReplaced(t *testing.T) {
	s := serve(t, nil)
	client := newClient(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		scope, foreign := everywhere(client, s.URL), everywhere(client, s.URL)
		mine, err := scope.SecretRef("plain")
		if err != nil {
			rt.Fatal(err)
		}
		theirs, err := foreign.SecretRef("plain")
		if err != nil {
			rt.Fatal(err)
		}
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{
				theirs, strings.ToLower(mine), mine[1:], mine[:len(mine)-1], "secretref_", "{{secret:plain}}", "{{ secrets.plain }}", "${TRAMA_SECRET_PLAIN}",
				"{data[plain]}", "{signature}", "{timestamp}", "%7B%7B", "canary", "[redacted]",
			}),
			rapid.StringMatching(`[ -~]{0,12}`),
		)
		data := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(rt, "data"), "")
		if strings.Contains(data, mine) {
			rt.Skip("the data is the handle")
		}
		header := strings.TrimSpace(data)
		types := map[string]func(string) string{
			"text/plain":                        func(v string) string { return v },
			"application/x-www-form-urlencoded": url.QueryEscape,
			"application/json": func(v string) string {
				quoted, err := json.Marshal(v)
				if err != nil {
					rt.Fatal(err)
				}
				return string(quoted)
			},
		}
		contentType := rapid.SampledFrom([]string{"text/plain", "application/x-www-form-urlencoded", "application/json"}).Draw(rt, "type")
		body := types[contentType](data)
		_, err = scope.Send(t.Context(), abi.HTTPRequest{
			Method: "POST", URL: s.URL + "/" + url.PathEscape("x"+data) + "?key=" + url.QueryEscape(data),
			Headers: map[string]string{"X-Key": header + mine, "X-Other": header, "Content-Type": contentType}, Body: body,
		})
		if err != nil {
			rt.Fatal(err)
		}
		r, got := s.last(t)
		if got != body || r.URL.Path != "/x"+data || r.URL.Query().Get("key") != data || r.Header.Get("X-Other") != header || r.Header.Get("X-Key") != header+"canary-plain-1" {
			rt.Fatalf("%q arrived as body %q, path %q, query %q, headers %v", data, got, r.URL.Path, r.URL.RawQuery, r.Header)
		}
	})
}

// A secret goes to the origins that manifest and grant bind it to, and to no
// other that the plugin may reach.
func TestSecretsAreBoundToOrigins(t *testing.T) {
	s, other := serve(t, nil), serve(t, nil)
	client := newClient(t, nil)
	places := []string{"header:X-Key", "query:key", "path", "body"}
	open := func(manifest, bound []string, origins ...string) *Scope {
		p := Policy{
			Origins: origins, Connection: &Connection{ID: "c", BaseURL: s.URL + "/base"}, Requests: 100,
			Secrets: []abi.SecretRequest{{Name: "plain", Places: places, Origins: manifest}, {Name: "password", Places: places}},
		}
		if bound != nil {
			p.Bound = map[string][]string{"plain": bound}
		}
		return client.Open(p)
	}
	all := []string{s.URL, other.URL}
	for name, c := range map[string]struct {
		scope          *Scope
		here, there    bool
		connectionOnly bool
	}{
		"bound to nothing":             {open(nil, nil, all...), true, true, false},
		"by the grant":                 {open(nil, []string{s.URL}, all...), true, false, false},
		"by the manifest":              {open([]string{other.URL}, nil, all...), false, true, false},
		"by both, which agree":         {open([]string{s.URL, other.URL}, []string{s.URL}, all...), true, false, false},
		"by both, which do not":        {open([]string{other.URL}, []string{s.URL}, all...), false, false, false},
		"to an origin that is no more": {open(nil, []string{"https://gone.test"}, all...), false, false, false},
		"to what can't be read":        {open(nil, []string{"*"}, all...), false, false, false},
		"to the connection":            {open(nil, []string{"connection"}, append(all, "connection")...), false, false, true},
		"to a connection not granted":  {open(nil, []string{"connection"}, all...), false, false, false},
	} {
		h := handleOf(t, c.scope, "plain")
		free := handleOf(t, c.scope, "password")
		for url, may := range map[string]bool{s.URL + "/x": c.here, other.URL + "/x": c.there, s.URL + "/base/x": c.here || c.connectionOnly} {
			before := s.count() + other.count()
			for place, req := range map[string]abi.HTTPRequest{
				"header": {URL: url, Headers: map[string]string{"X-Key": h}}, "query": {URL: url + "?key=" + h}, "path": {URL: url + h}, "body": {Method: "POST", URL: url, Body: h},
			} {
				if may {
					ok(t, c.scope, req)
				} else if f := refused(t, c.scope, req, abi.CodeDenied, "may not go to"); t.Failed() {
					t.Logf("%s, %s to %s: %v", name, place, url, f)
				}
			}
			if !may && s.count()+other.count() != before {
				t.Errorf("%s: a request arrived at %s", name, url)
			}
			ok(t, c.scope, abi.HTTPRequest{URL: url, Headers: map[string]string{"X-Key": free}})
		}
	}
}

func TestSecretRefRefuses(t *testing.T) {
	scope := everywhere(newClient(t, nil))
	for name, code := range map[string]string{"password": abi.CodeDenied, "": abi.CodeDenied, "nowhere": abi.CodeNoSecret} {
		h, err := scope.SecretRef(name)
		var failure *abi.Error
		if !errors.As(err, &failure) || failure.Code != code || h != "" {
			t.Errorf("%q: %q, %v", name, h, err)
		}
	}
}

var escapes = regexp.MustCompile(`%[0-9A-F]{2}`)

// spellings are some of the ways in which a system writes a value.
func spellings(v string) []string {
	quoted, err := json.Marshal(v)
	if err != nil {
		panic(err) // a text marshals
	}
	return []string{
		v, string(quoted), strings.ReplaceAll(string(quoted), "/", `\/`), url.QueryEscape(v), escapes.ReplaceAllStringFunc(url.QueryEscape(v), strings.ToLower), url.PathEscape(v), html.EscapeString(v),
		fmt.Sprintf("%x", v), fmt.Sprintf("%X", v), base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)),
	}
}

// A system that sends back what it was given shows no secret to the guest.
func TestCanary(t *testing.T) {
	values := []string{token, password, "canary-plain-1"}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, list := range r.Header {
			w.Header().Set("X-Echo-"+name, strings.Join(list, ","))
		}
		w.Header().Set("X-Uri", r.RequestURI)
		for _, v := range values {
			for _, spelt := range spellings(v) {
				fmt.Fprintln(w, spelt)
			}
		}
		fmt.Fprint(w, r.Header)
		if r.URL.Query().Get("binary") != "" {
			w.Write([]byte{0xff, 0xfe})
		}
	})
	scope := newClient(t, nil).Open(Policy{
		Origins:    []string{"connection"},
		Connection: &Connection{ID: "c", BaseURL: s.URL, Auth: auth.Auth{Type: auth.Basic, Username: "user", Secret: "password"}},
		Secrets:    []abi.SecretRequest{{Name: "token", Places: []string{"path", "query:key"}}, {Name: "plain", Places: []string{"header:X-Key"}}, {Name: "short", Places: []string{"body"}}},
	})
	req := abi.HTTPRequest{URL: "/" + handleOf(t, scope, "token") + "?key=" + handleOf(t, scope, "token"), Headers: map[string]string{"X-Key": handleOf(t, scope, "plain")}}
	for _, suffix := range []string{"", "&binary=1"} {
		req := req
		req.URL += suffix
		got := ok(t, scope, req)
		raw, err := base64.StdEncoding.DecodeString(got.BodyBase64)
		if err != nil || (suffix != "") != (len(raw) > 0) {
			t.Fatal(len(raw), err)
		}
		all := fmt.Sprint(got) + string(raw)
		for _, v := range append(values, "user:"+password) {
			for _, form := range append(spellings(v), "canary", "7f3a9") {
				if strings.Contains(all, form) {
					t.Errorf("%q shows in %s", form, all)
				}
			}
		}
		if strings.Count(all, redact.Mark) < 20 {
			t.Errorf("redacted %d times only", strings.Count(all, redact.Mark))
		}
		if got.Headers["x-uri"] == "" || got.Headers["x-echo-x-key"] != redact.Mark {
			t.Errorf("headers are %v", got.Headers)
		}
	}
	// Too short to be hidden: documented.
	handleOf(t, scope, "short")
	if got := scope.Redact("abc " + password); got != "abc "+redact.Mark {
		t.Errorf("got %q", got)
	}
	if got := newClient(t, nil).Open(Policy{}).Redact(password); got != password {
		t.Errorf("a scope that used no secret redacts: %q", got)
	}
}

// Whatever surrounds a secret, redaction leaves none of it.
func TestRedactProperty(t *testing.T) {
	client := newClient(t, nil)
	scope := everywhere(client)
	h := map[string]string{"token": handleOf(t, scope, "token"), "plain": handleOf(t, scope, "plain")}
	all := append(spellings(token), spellings("canary-plain-1")...)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(all), rapid.StringMatching(`[x-z ]{0,3}`))).Draw(t, "parts")
		got := scope.Redact(strings.Join(parts, "") + h["token"])
		for _, form := range all {
			if strings.Contains(got, form) {
				t.Fatalf("%q is left in %q", form, got)
			}
		}
		if !strings.HasSuffix(got, h["token"]) {
			t.Fatalf("a handle is redacted: %q", got)
		}
	})
}

func TestScopeIsConcurrent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Key")) })
	scope := everywhere(newClient(t, nil), s.URL)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				h, err := scope.SecretRef("plain")
				if err != nil {
					t.Error(err)
					return
				}
				got, err := scope.Send(t.Context(), abi.HTTPRequest{URL: s.URL, Headers: map[string]string{"X-Key": h}})
				if err != nil || got.Body != redact.Mark || scope.Redact("canary-plain-1") != redact.Mark {
					t.Error(got, err)
				}
			}
		})
	}
	wg.Wait()
	if s.count() != 80 {
		t.Errorf("%d requests arrived", s.count())
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"/a?b=c", "http://127.0.0.1:9/x", "//evil", "http://user@127.0.0.1", "http://127.0.0.1:9\\@evil", "?x", "/%2e%2e/"} {
		f.Add(seed)
	}
	client := New(Config{})
	scope := client.Open(Policy{Origins: []string{"connection"}, Connection: &Connection{ID: "c", BaseURL: "http://127.0.0.1:9/base"}})
	f.Fuzz(func(t *testing.T, text string) {
		u, failure := scope.resolve(text)
		if failure != nil {
			return
		}
		to, failure := scope.admit(u)
		if failure != nil {
			return
		}
		// What was admitted is what net/http will read.
		again, err := url.Parse(to.url.String())
		if err != nil || again.Host != "127.0.0.1:9" || again.Scheme != "http" || !strings.HasPrefix(again.EscapedPath(), "/base") || hasDotSegment(again.Path) {
			t.Fatalf("%q was admitted as %s, %v", text, to.url, err)
		}
	})
}
