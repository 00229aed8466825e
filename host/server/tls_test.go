package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// certificate writes a new pair for 127.0.0.1 and returns a pool that trusts it.
func certificate(t *testing.T, files TLS, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, data := range map[string][]byte{files.Cert: text, files.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := TLS{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	var log bytes.Buffer
	if _, err := Listen("127.0.0.1:0", files, uncounted, nil); err == nil || !strings.Contains(err.Error(), files.Cert) {
		t.Errorf("without files: %v", err)
	}
	pool := certificate(t, files, 1)
	s := newServer(slog.New(slog.NewTextHandler(&log, nil)), 1<<20, sendTime)
	s.App.All("/*", func(c *fiber.Ctx) error {
		return c.SendString(fmt.Sprint(len(c.Request().Body()), " ", c.Secure()))
	})
	addr := serving(t, s, files)
	get := func(c *tls.Config) (string, *tls.ConnectionState, error) {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}, Timeout: 10 * time.Second}
		a, err := client.Post("https://"+addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
		if err != nil {
			return "", nil, err
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		return string(text), a.TLS, err
	}
	if text, state, err := get(&tls.Config{RootCAs: pool}); err != nil || text != "100000 true" || state.Version != tls.VersionTLS13 {
		t.Fatalf("%q, %v", text, err)
	}
	if _, state, err := get(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}); err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, _, err := get(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	// A refused body that is still being sent: the answer is seen.
	big, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	fmt.Fprintf(big, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n%s", strings.Repeat("x", 100_000))
	if text, err := io.ReadAll(big); err != nil || !strings.Contains(string(text), "too_big") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestCertificateReload: a new pair is used without a restart; half a pair, as
// while the files are being written, changes nothing.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	files := TLS{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	certificate(t, files, 1)
	var log bytes.Buffer
	now := time.Now()
	k := &keeper{files: files, log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	if err := k.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		now = now.Add(look)
		leaf, err := x509.ParseCertificate(k.current().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	old, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	certificate(t, files, 2)
	fresh, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Key, append(old, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 || !strings.Contains(log.String(), "stays") {
		t.Errorf("with half a pair: certificate %d; log: %s", got, &log)
	}
	if err := os.WriteFile(files.Key, append(fresh, '\n', '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("after the key: certificate %d", got)
	}
	if ends, err := files.Expires(); err != nil || time.Until(ends) > time.Hour {
		t.Errorf("ends %v, %v", ends, err)
	}
}
