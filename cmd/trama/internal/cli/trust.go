package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// trustCA makes a client trust the authorities in a file of PEM, beside the
// system's.
func trustCA(path string) (*tls.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("authorities to trust: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authorities to trust: %s has no certificate in PEM", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// trustServer makes a client trust a server that has the certificate in a file
// of its own workspace, and no other: names and authorities say less, and the
// certificate need not have the name of this machine's loopback.
func trustServer(path string) (*tls.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate of the admin listener: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("certificate of the admin listener: %s does not begin with one in PEM", path)
	}
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the line below checks more
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server's certificate is not the one in %s", path)
			}
			return nil
		},
	}, nil
}

// untrusted says how to trust a server whose certificate was refused.
func untrusted(base string, err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w\n%s is not trusted: name the file of its authority with --ca or TRAMA_CA", err, base)
	}
	return err
}
