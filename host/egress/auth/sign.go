package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what WSSE prescribes
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/trama-run/trama/pdk/abi"
)

// copyBody writes a request's body, of which r sends another copy.
func copyBody(to io.Writer, r *http.Request) error {
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err == nil {
		_, err = io.Copy(to, body)
		err = errors.Join(err, body.Close())
	}
	if err != nil {
		return fail(abi.CodeUnavailable, "the request's body can't be read to sign it: %v", err)
	}
	return nil
}

func bodyHash(r *http.Request) (string, error) {
	h := sha256.New()
	err := copyBody(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

// signV4 signs a request as AWS wants it. The body's hash is a header of its
// own too, which s3 demands and others take.
func signV4(ctx context.Context, a Auth, s Scope, r *http.Request, secret string, at time.Time) error {
	credentials := aws.Credentials{AccessKeyID: a.AccessKey, SecretAccessKey: secret}
	if a.SessionToken != "" {
		token, err := s.Open(a.SessionToken)
		if err != nil {
			return err
		}
		if strings.ContainsFunc(token, isControl) {
			return fail(abi.CodeInvalid, "the secret %q holds a line break or control character, which no header can carry: store it without", a.SessionToken)
		}
		credentials.SessionToken = token
	}
	sum, err := bodyHash(r)
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Content-Sha256", sum)
	err = v4.NewSigner().SignHTTP(ctx, credentials, r, sum, a.Service, a.Region, at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = a.Service == "s3" // its paths are escaped once
	})
	if err != nil {
		return fail(abi.CodeInvalid, "sigv4: %v", err)
	}
	return nil
}

// What stands in braces in the texts of an hmac.
var (
	signedNames = []string{"method", "host", "path", "query", "timestamp", "username", "body", "body_sha256"}
	formatNames = []string{"signature", "timestamp", "username"}
)

// part is a piece of a template: text as it is, or the name of a value.
type part struct{ text, name string }

// parseTemplate reads a text with names in braces. Values are put in once and
// not looked at again.
func parseTemplate(text string, names []string) ([]part, error) {
	var parts []part
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(names, name) {
			return nil, fmt.Errorf("{%.30s is not one of {%s}", rest, strings.Join(names, "}, {"))
		}
		parts = append(parts, part{name: name})
		text = after
	}
	return parts, nil
}

// signHMAC puts a keyed hash over parts of the request into a header.
func signHMAC(a Auth, r *http.Request, secret string, at time.Time) error {
	var newHash func() hash.Hash = sha256.New
	if a.Algorithm == "sha512" {
		newHash = sha512.New
	}
	values := map[string]string{
		"method": r.Method, "host": r.URL.Host, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery,
		"username": a.Username, "timestamp": strconv.FormatInt(at.Unix(), 10),
	}
	if values["path"] == "" {
		values["path"] = "/" // what is sent
	}
	switch a.Timestamp {
	case "millis":
		values["timestamp"] = strconv.FormatInt(at.UnixMilli(), 10)
	case "rfc3339":
		values["timestamp"] = at.UTC().Format(time.RFC3339)
	}
	signed, err := parseTemplate(a.Signed, signedNames)
	if err != nil {
		return fail(abi.CodeInvalid, "signed: %v", err)
	}
	mac := hmac.New(newHash, []byte(secret))
	for _, p := range signed {
		switch p.name {
		case "body":
			if err := copyBody(mac, r); err != nil {
				return err
			}
			continue
		case "body_sha256":
			sum, err := bodyHash(r)
			if err != nil {
				return err
			}
			values[p.name] = sum
		}
		io.WriteString(mac, p.text+values[p.name]) //nolint:errcheck // a hash takes everything
	}
	values["signature"] = hex.EncodeToString(mac.Sum(nil))
	if a.Encoding == "base64" {
		values["signature"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	format := a.Format
	if format == "" {
		format = "{signature}"
	}
	parts, err := parseTemplate(format, formatNames)
	if err != nil {
		return fail(abi.CodeInvalid, "format: %v", err)
	}
	var value strings.Builder
	for _, p := range parts {
		value.WriteString(p.text + values[p.name])
	}
	if a.TimestampHeader != "" {
		r.Header.Set(a.TimestampHeader, values["timestamp"])
	}
	return setHeader(r, a.Header, value.String(), a.Secret)
}

// signWSSE sets the header X-WSSE with a UsernameToken (OASIS WS-Security
// UsernameToken Profile 1.1: digest = base64(sha1(nonce + created +
// password))), and the Authorization header that announces it.
func signWSSE(a Auth, r *http.Request, secret string, at time.Time) error {
	nonce := make([]byte, 16)
	rand.Read(nonce) //nolint:errcheck // never fails since Go 1.24
	created := at.UTC().Format(time.RFC3339)
	digest := sha1.Sum(slices.Concat(nonce, []byte(created), []byte(secret))) //nolint:gosec // what WSSE prescribes
	r.Header.Set("Authorization", `WSSE profile="UsernameToken"`)
	return setHeader(r, "X-WSSE", fmt.Sprintf(`UsernameToken Username="%s", PasswordDigest="%s", Nonce="%s", Created="%s"`,
		a.Username, base64.StdEncoding.EncodeToString(digest[:]), base64.StdEncoding.EncodeToString(nonce), created), a.Secret)
}
