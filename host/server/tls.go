package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLS names the files of a certificate with its chain, and of its key, in PEM.
// The zero value is no TLS.
type TLS struct{ Cert, Key string }

// config reads the files. What they hold later is used once it is a pair, so
// that a renewed certificate needs no restart; a bad one changes nothing.
func (t TLS) config(log *slog.Logger) (*tls.Config, error) {
	k := &keeper{files: t, log: log, now: time.Now}
	if err := k.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current(), nil },
	}, nil
}

// Expires says when the certificate in the files ends.
func (t TLS) Expires() (time.Time, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return time.Time{}, fmt.Errorf("tls: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return time.Time{}, fmt.Errorf("tls: %s: %w", t.Cert, err)
	}
	return leaf.NotAfter, nil
}

// look is how often the files are looked at, at most: at a handshake.
const look = time.Second

// keeper holds the certificate of two files.
type keeper struct {
	files TLS
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate // guarded by mu
	seen   string           // the files' times and sizes when they were last read; guarded by mu
	looked time.Time        // guarded by mu
}

// current returns the certificate, after a look at the files.
func (k *keeper) current() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.looked) >= look {
		k.looked = now
		if k.state() != k.seen {
			if err := k.load(); err != nil {
				k.log.Error("the certificate that was read before stays", "error", err)
			} else {
				k.log.Info("certificate read again", "file", k.files.Cert)
			}
		}
	}
	return k.pair
}

// load reads the files.
func (k *keeper) load() error {
	k.seen = k.state() // before they are read: a change meanwhile is found later
	pair, err := tls.LoadX509KeyPair(k.files.Cert, k.files.Key)
	if err != nil {
		return fmt.Errorf("tls: certificate %s with key %s: %w", k.files.Cert, k.files.Key, err)
	}
	k.pair = &pair
	return nil
}

// state tells contents of the files apart, as far as that shows from outside.
func (k *keeper) state() (s string) {
	for _, path := range []string{k.files.Cert, k.files.Key} {
		if info, err := os.Stat(path); err == nil {
			s += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return s
}
