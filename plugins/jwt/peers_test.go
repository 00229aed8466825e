//go:build peers

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/abi/jwa"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/peer"
)

// made is a key of jose's with a token that jose signed.
type made struct {
	Private json.RawMessage `json:"private"`
	Public  json.RawMessage `json:"public,omitempty"` // not of a shared secret
	PEM     string          `json:"pem,omitempty"`
	KeyID   string          `json:"kid"`
	Token   string          `json:"token"`
}

// TestPeerJose: with each algorithm we take what jose signs, its key given as
// JWK, as PEM and in a set, and jose takes what we sign with its private keys.
func TestPeerJose(t *testing.T) {
	var keys map[string]made
	if err := json.Unmarshal(peer.Run(t, "testdata/jose.mjs"), &keys); err != nil {
		t.Fatal(err)
	}
	k := keyring{pdktest.NewHost(t), map[string]string{}}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for algorithm, m := range keys {
		key, err := jwa.ParseJWK(m.Private)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		k.host.AddKey(algorithm, key.Private)
		if m.Public != nil {
			set.Keys = append(set.Keys, m.Public)
		}
	}
	now := time.Now().Unix()
	tokens := map[string]string{}
	for _, algorithm := range abi.SignAlgorithms() {
		m, ok := keys[algorithm]
		if !ok {
			t.Errorf("jose made no key for %s", algorithm)
			continue
		}
		ways := map[string]any{"key": algorithm}
		if m.Public != nil {
			ways = map[string]any{"key": algorithm, "public_key": m.Public, "jwks": set}
		}
		if m.PEM != "" {
			ways["PEM"] = m.PEM
		}
		for name, value := range ways {
			field := strings.Replace(name, "PEM", "public_key", 1)
			ask := func(token string) ([]byte, *abi.Error) {
				return k.verify(now, map[string]any{"token": token, field: value, "algorithms": []string{algorithm}, "issuer": "jose", "audience": "trama", "leeway": 5})
			}
			if output, failure := ask(m.Token); failure != nil || !strings.Contains(string(output), `"n":9007199254740991`) {
				t.Errorf("%s by %s: %s, %v", algorithm, name, output, failure)
			}
			head, rest, _ := strings.Cut(m.Token, ".")
			_, failure := ask(head + ".e30" + rest[strings.IndexByte(rest, '.'):])
			checkCode(t, nil, failure, codeSignature)
		}
		tokens[algorithm] = signed(t, k, now, fmt.Sprintf(`{"key":%[1]q,"algorithm":%[1]q,"header":{"kid":%[2]q},"claims":{"iss":"trama","aud":"jose","name":"José"},"expires_in":60}`, algorithm, m.KeyID))
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	found := string(peer.Run(t, "testdata/jose.mjs", string(text), string(ours)))
	for _, algorithm := range abi.SignAlgorithms() {
		for _, want := range []string{" given " + algorithm + " José 60\n", " changed ERR_JWS_SIGNATURE_VERIFICATION_FAILED\n"} {
			if !strings.Contains(found, algorithm+want) {
				t.Errorf("jose lacks %q in\n%s", algorithm+want, found)
			}
		}
	}
}

// signed signs a token at a time in seconds.
func signed(t *testing.T, k keyring, now int64, input string) string {
	t.Helper()
	output, failure := pdk.Call(signer{k.host.Sign, at(now)}.run, []byte(input))
	if failure != nil {
		t.Fatalf("sign %s: %v", input, failure)
	}
	var out Signed
	if err := json.Unmarshal(output, &out); err != nil {
		t.Fatal(err)
	}
	return out.Token
}
