// Command jwt is the plugin "jwt": JSON Web Tokens (RFC 7519) signed with
// HMAC, RSA (PKCS #1 v1.5 and PSS), ECDSA or Ed25519.
//
// Keys that sign, and HMAC keys, are named in the host and stay there. Only a
// public key may be given inline; checking with it happens here.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	_ "embed"
	"time"

	pdk "github.com/trama-run/trama/pdk/go"
)

//go:embed manifest.json
var manifest []byte

//go:wasmexport describe
func describe() int32 { return pdk.Describe(manifest) }

//go:wasmexport sign
func sign() int32 {
	return pdk.Handle(signer{sign: pdk.Sign, now: time.Now}.run)
}

//go:wasmexport verify
func verify() int32 {
	return pdk.Handle(verifier{verify: pdk.Verify, now: time.Now}.run)
}

//go:wasmexport decode
func decode() int32 { return pdk.Handle(decodeToken) }

func main() {}
