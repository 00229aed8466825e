package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	checkURL := func(text string) error {
		if !strings.HasPrefix(text, "https://") {
			return errors.New("no URL")
		}
		return nil
	}
	oauth := Auth{Type: OAuth2, TokenURL: "https://login.test/token", ClientID: "c", Secret: "s"}
	refresh := Auth{Type: OAuth2, Grant: "refresh_token", TokenURL: "https://login.test/token", ClientID: "c", RefreshToken: "r"}
	v4 := Auth{Type: SigV4, AccessKey: "AKIA", Secret: "s", Region: "us-east-1", Service: "s3"}
	mac := Auth{Type: HMAC, Secret: "s", Header: "X-Signature", Signed: "{timestamp}.{body}"}
	with := func(a Auth, change func(*Auth)) Auth { change(&a); return a }
	for name, c := range map[string]struct {
		auth Auth
		want []string // parts of the problems, in order
	}{
		"none":                       {Auth{}, nil},
		"bearer":                     {Auth{Type: Bearer, Secret: "s"}, nil},
		"basic without a user":       {Auth{Type: Basic, Secret: "s"}, nil},
		"client credentials":         {oauth, nil},
		"refresh token":              {refresh, nil},
		"service account":            {Auth{Type: ServiceAccount, Secret: "s", Scopes: []string{"x"}}, nil},
		"sigv4":                      {v4, nil},
		"hmac":                       {mac, nil},
		"ws_security":                {Auth{Type: WSSecurity, Username: "u", Secret: "s", Password: "text", ExpiresSeconds: 600, MustUnderstand: true}, nil},
		"a password in no form":      {Auth{Type: WSSecurity, Username: "u", Secret: "s", Password: "hash", ExpiresSeconds: -1}, []string{"digest or text", "expires_seconds"}},
		"wsse":                       {Auth{Type: WSSE, Username: "u", Secret: "s"}, nil},
		"unknown type":               {Auth{Type: "ntlm", Secret: "s"}, []string{`type "ntlm" is not known: use bearer`}},
		"a field without a type":     {Auth{Secret: "s"}, []string{"secret has no meaning"}},
		"a field of another type":    {with(oauth, func(a *Auth) { a.Region = "x" }), []string{"region has no meaning for type"}},
		"all of sigv4 missing":       {Auth{Type: SigV4}, []string{"needs secret", "needs access_key", "needs region", "needs service"}},
		"no token_url":               {with(oauth, func(a *Auth) { a.TokenURL = "" }), []string{"needs token_url"}},
		"a bad token_url":            {with(oauth, func(a *Auth) { a.TokenURL = "login" }), []string{"token_url: no URL"}},
		"no client secret":           {with(oauth, func(a *Auth) { a.Secret = "" }), []string{"needs secret: the name of the client's secret"}},
		"no refresh token":           {with(refresh, func(a *Auth) { a.RefreshToken = "" }), []string{"needs refresh_token"}},
		"refresh token, other grant": {with(oauth, func(a *Auth) { a.RefreshToken = "r" }), []string{"for grant refresh_token alone"}},
		"unknown grant":              {with(oauth, func(a *Auth) { a.Grant = "password" }), []string{`grant "password" is not known`}},
		"unknown client_auth":        {with(oauth, func(a *Auth) { a.ClientAuth = "jwt" }), []string{`client_auth "jwt"`}},
		"own params":                 {with(oauth, func(a *Auth) { a.Params = map[string]string{"client_secret": "x"} }), []string{"client_secret is the host's"}},
		"scopes of an account":       {Auth{Type: ServiceAccount, Secret: "s"}, []string{"needs scopes"}},
		"api_key nowhere":            {Auth{Type: APIKey, Secret: "s"}, []string{"either header or query"}},
		"api_key in Host":            {Auth{Type: APIKey, Secret: "s", Header: "host"}, []string{"can't carry"}},
		"api_key in no header":       {Auth{Type: APIKey, Secret: "s", Header: "X Y"}, []string{"can't carry"}},
		"a colon":                    {Auth{Type: Basic, Secret: "s", Username: "a:b"}, []string{"colon"}},
		"a quote":                    {Auth{Type: WSSE, Secret: "s", Username: `a"b`}, []string{"quotes"}},
		"unknown name signed":        {with(mac, func(a *Auth) { a.Signed = "{secret}" }), []string{"signed: {secret}"}},
		"open brace":                 {with(mac, func(a *Auth) { a.Signed = "{body" }), []string{"signed: {body"}},
		"format of the body":         {with(mac, func(a *Auth) { a.Format = "{body}" }), []string{"format: {body}"}},
		"unknown algorithm":          {with(mac, func(a *Auth) { a.Algorithm = "md5" }), []string{`algorithm "md5"`}},
		"unknown encoding":           {with(mac, func(a *Auth) { a.Encoding = "x" }), []string{`encoding "x"`}},
		"unknown timestamp":          {with(mac, func(a *Auth) { a.Timestamp = "x" }), []string{`timestamp "x"`}},
		"timestamp in Connection":    {with(mac, func(a *Auth) { a.TimestampHeader = "Connection" }), []string{"timestamp_header"}},
	} {
		problems := c.auth.Validate(checkURL)
		if len(problems) != len(c.want) {
			t.Errorf("%s: %q, want %q", name, problems, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(problems[i], want) || !strings.HasPrefix(problems[i], "auth: ") {
				t.Errorf("%s: %q, want %q", name, problems[i], want)
			}
		}
	}
	// Every field belongs to a type, and every type to the list.
	all := Auth{}.everything()
	used := map[string]bool{}
	for _, kind := range kinds {
		for _, name := range slices.Concat(kind.needs, kind.takes) {
			used[name] = true
			if !slices.Contains(all, name) {
				t.Errorf("field %s of a type is none of Auth", name)
			}
		}
	}
	for _, name := range all {
		if !used[name] {
			t.Errorf("field %s belongs to no type", name)
		}
	}
	if got := (Auth{Secret: "a", RefreshToken: "b", SessionToken: "c"}).Secrets(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("secrets are %q", got)
	}
}

// everything is the names of the fields of a filled Auth.
func (Auth) everything() []string {
	return Auth{
		Secret: "x", Username: "x", Header: "x", Query: "x", Grant: "x", TokenURL: "x", ClientID: "x", ClientAuth: "x", RefreshToken: "x",
		Scopes: []string{"x"}, Params: map[string]string{"x": "x"}, Subject: "x", AccessKey: "x", Region: "x", Service: "x", SessionToken: "x",
		Algorithm: "x", Encoding: "x", Signed: "x", Format: "x", TimestampHeader: "x", Timestamp: "x",
		Password: "x", ExpiresSeconds: 1, MustUnderstand: true,
	}.fields()
}
