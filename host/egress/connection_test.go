package egress

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

func TestConnection(t *testing.T) {
	s := serve(t, nil)
	client := newClient(t, nil)
	open := func(c Connection, origins ...string) *Scope {
		c.ID = "c"
		return client.Open(Policy{Origins: origins, Connection: &c, Requests: 1000})
	}
	scope := open(Connection{BaseURL: s.URL + "/v1/"}, "connection")
	for relative, want := range map[string]string{
		"": "/v1/", "/": "/v1/", "/a/b?c=d": "/v1/a/b?c=d", "?c=d": "/v1?c=d", "//evil.test/x": "/v1//evil.test/x", "/@evil.test": "/v1/@evil.test",
		s.URL + "/v1/x": "/v1/x", s.URL + "/v1": "/v1",
	} {
		ok(t, scope, abi.HTTPRequest{URL: relative})
		if r, _ := s.last(t); r.RequestURI != want || "http://"+r.Host != s.URL {
			t.Errorf("%q went to %s%s, want %s", relative, r.Host, r.RequestURI, want)
		}
	}
	before := s.count()
	for _, relative := range []string{"/../x", "/..", "/a/../../x", "/%2e%2e/x", "/%2E./x", "/..%2fx", "/..\\x", "/..;/x", "/./x"} {
		refused(t, scope, abi.HTTPRequest{URL: relative}, abi.CodeInvalid, "")
	}
	for _, outside := range []string{s.URL, s.URL + "/", s.URL + "/v2", s.URL + "/v10/x", s.URL + "/V1/x"} {
		refused(t, scope, abi.HTTPRequest{URL: outside}, abi.CodeDenied, "outside the base_url")
	}
	refused(t, open(Connection{BaseURL: s.URL}), abi.HTTPRequest{URL: "/"}, abi.CodeDenied, "is not granted to the plugin")
	refused(t, open(Connection{BaseURL: s.URL}, "https://example.test"), abi.HTTPRequest{URL: "/"}, abi.CodeDenied, "is not granted to the plugin")
	refused(t, open(Connection{BaseURL: "http://0x7f.1"}, "connection"), abi.HTTPRequest{URL: "/"}, abi.CodeInvalid, "base_url")
	if s.count() != before {
		t.Error("a request arrived")
	}
	// The origin itself, granted, opens its other paths; credentials stay inside the base URL.
	both := open(Connection{BaseURL: s.URL + "/v1", Auth: auth.Auth{Type: auth.Bearer, Secret: "plain"}}, "connection", s.URL)
	for path, want := range map[string]string{"/v1/x": "Bearer canary-plain-1", "/v2": ""} {
		ok(t, both, abi.HTTPRequest{URL: s.URL + path})
		if r, _ := s.last(t); r.Header.Get("Authorization") != want {
			t.Errorf("%s carries %q", path, r.Header.Get("Authorization"))
		}
	}
}

func TestConnectionAuth(t *testing.T) {
	s := serve(t, nil)
	client := newClient(t, nil)
	open := func(a auth.Auth) *Scope {
		return client.Open(Policy{Origins: []string{"connection"}, Connection: &Connection{ID: "c", BaseURL: s.URL, Auth: a}})
	}
	for _, c := range []struct {
		auth         auth.Auth
		header, want string
		uri          string
	}{
		{auth.Auth{}, "Authorization", "", "/?a=1"},
		{auth.Auth{Type: auth.Bearer, Secret: "plain"}, "Authorization", "Bearer canary-plain-1", "/?a=1"},
		{auth.Auth{Type: auth.Basic, Secret: "password", Username: "me"}, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+password)), "/?a=1"},
		{auth.Auth{Type: auth.APIKey, Secret: "plain", Header: "x-api-key"}, "X-Api-Key", "canary-plain-1", "/?a=1"},
		{auth.Auth{Type: auth.APIKey, Secret: "token", Query: "api key"}, "Authorization", "", "/?a=1&api+key=" + url.QueryEscape(token)},
	} {
		ok(t, open(c.auth), abi.HTTPRequest{URL: "/?a=1"})
		if r, _ := s.last(t); r.Header.Get(c.header) != c.want || r.RequestURI != c.uri {
			t.Errorf("%+v: sent %s, %v", c.auth, r.RequestURI, r.Header)
		}
	}
	before := s.count()
	set := func(name string) abi.HTTPRequest {
		return abi.HTTPRequest{URL: "/", Headers: map[string]string{name: "own"}}
	}
	refused(t, open(auth.Auth{Type: auth.Bearer, Secret: "plain"}), set("authorization"), abi.CodeDenied, "carries the credentials")
	refused(t, open(auth.Auth{Type: auth.APIKey, Secret: "plain", Header: "x-api-key"}), set("X-API-KEY"), abi.CodeDenied, "carries the credentials")
	refused(t, open(auth.Auth{Type: auth.APIKey, Secret: "plain", Query: "key"}), abi.HTTPRequest{URL: "/?a&k%65y=own"}, abi.CodeDenied, "carries the credentials")
	refused(t, open(auth.Auth{Type: auth.Bearer, Secret: "nowhere"}), abi.HTTPRequest{URL: "/"}, abi.CodeNoSecret, "TRAMA_SECRET_NOWHERE")
	refused(t, open(auth.Auth{Type: auth.Bearer, Secret: "lines"}), abi.HTTPRequest{URL: "/"}, abi.CodeInvalid, "line break")
	refused(t, open(auth.Auth{Type: "oauth9", Secret: "plain"}), abi.HTTPRequest{URL: "/"}, abi.CodeInvalid, "not known")
	if s.count() != before {
		t.Error("a request arrived")
	}
}

func TestConnectionValidate(t *testing.T) {
	for name, c := range map[string]struct {
		connection Connection
		want       string
	}{
		"fine":          {Connection{ID: "c", BaseURL: "https://a.example.com/v1", Auth: auth.Auth{Type: "bearer", Secret: "s"}}, ""},
		"no auth":       {Connection{ID: "c", BaseURL: "http://localhost:9000"}, ""},
		"basic":         {Connection{ID: "c", BaseURL: "http://10.0.0.1", Auth: auth.Auth{Type: "basic", Username: "u", Secret: "s"}}, ""},
		"no id":         {Connection{BaseURL: "https://a.example.com"}, "no id"},
		"no url":        {Connection{ID: "c"}, "base_url"},
		"query":         {Connection{ID: "c", BaseURL: "https://a.example.com/?x"}, "query"},
		"user":          {Connection{ID: "c", BaseURL: "https://u:p@a.example.com/"}, "user name"},
		"dots":          {Connection{ID: "c", BaseURL: "https://a.example.com/../x"}, ".."},
		"no secret":     {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "bearer"}}, "needs secret"},
		"unknown":       {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "oauth9", Secret: "s"}}, "not known"},
		"colon":         {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "basic", Username: "a:b", Secret: "s"}}, "colon"},
		"no place":      {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "api_key", Secret: "s"}}, "either header or query"},
		"two places":    {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "api_key", Secret: "s", Header: "H", Query: "q"}}, "either header or query"},
		"host header":   {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "api_key", Secret: "s", Header: "Host"}}, "can't carry"},
		"foreign field": {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Type: "bearer", Secret: "s", Header: "X"}}, "header has no meaning"},
		"no type":       {Connection{ID: "c", BaseURL: "https://a.example.com", Auth: auth.Auth{Secret: "s"}}, "secret has no meaning"},
	} {
		problems := c.connection.Validate()
		if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], c.want)) {
			t.Errorf("%s: %q", name, problems)
		}
	}
}
