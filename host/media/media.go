// Package media keeps the media of messages: bytes that a channel's adapter has
// fetched, as blobs of their contact, within a size and for a while; what they
// really are; and addresses at which those who hold one get them for a short
// time. It must not know channels, flows or HTTP servers.
package media

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Defaults of the settings.
const (
	defaultMax    = 32 << 20 // bytes of one medium
	defaultURLFor = time.Hour
)

// Vault keeps the key that addresses are signed with.
type Vault interface {
	Get(name string) (string, error)
	Put(name, value string) error
}

// Config says where media are kept, and how.
type Config struct {
	Store store.Store
	Vault Vault
	// PublicURL is how others reach the public listener; empty: there are no
	// addresses.
	PublicURL string
	Max       int64         // bytes of one medium; 0: 32 MiB
	Keep      time.Duration // how long one is kept; 0: as long as blobs are
	URLFor    time.Duration // how long an address serves; 0: an hour
	Now       func() time.Time
	Same      blob.Same // of owners; nil: one is no other
}

// Media is the media of one host. It is safe for concurrent use.
type Media struct {
	config Config
	key    []byte
}

// keyName is the name in the vault of the key of addresses.
const keyName = "media-addresses"

// Open returns the media of a host, with the key that its vault has, or a new
// one.
func Open(config Config) (*Media, error) {
	config.Max, config.Keep = cmp.Or(config.Max, defaultMax), cmp.Or(config.Keep, blob.Life)
	config.URLFor = min(cmp.Or(config.URLFor, defaultURLFor), config.Keep)
	if config.Now == nil {
		config.Now = time.Now
	}
	text, err := config.Vault.Get(keyName)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if text == "" {
		text = hex.EncodeToString(random(sha256.Size))
		if err := config.Vault.Put(keyName, text); err != nil {
			return nil, fmt.Errorf("media: %w", err)
		}
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("media: %q in the vault is no key of %d bytes: restore it from a backup", keyName, sha256.Size)
	}
	return &Media{config, key}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // never fails since Go 1.24
	return b
}

// Of gives the blobs of an owner, as egress takes them; a new one is a medium.
func (m *Media) Of(owner string) egress.Blobs {
	return owned{blob.For(m.config.Store, owner, m.config.Keep).With(m.config.Same), m.config.Max}
}

type owned struct {
	*blob.Owned
	max int64
}

func (o owned) Create(ctx context.Context, mime string) egress.BlobWriter {
	return &writer{Writer: o.Owned.Create(ctx, mime), left: o.max, max: o.max}
}

// writer refuses what goes over the size of a medium.
type writer struct {
	*blob.Writer
	left, max int64
}

func (w *writer) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("the medium has more than %d bytes: raise it in trama.yaml with media: {max: ...}", w.max)}
	}
	return w.Writer.Write(p)
}

// Kept describes a blob of an owner as a medium: its size, its hash and what it
// is. Declared is what its sender says that it is, which counts only where the
// bytes don't tell, or tell less. Errors are *abi.Error.
func (m *Media) Kept(ctx context.Context, owner, id, declared string) (abi.Blob, error) {
	of := m.Of(owner)
	b, err := of.Stat(ctx, id)
	if err != nil {
		return b, err
	}
	begin, err := beginning(of.Open(ctx, id))
	if err != nil {
		return b, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("media: %v", err), Retryable: true}
	}
	b.MIME = Told(begin, cmp.Or(declared, b.MIME))
	return b, nil
}

// beginning reads as much as it takes to see what something is.
func beginning(r io.ReadCloser) ([]byte, error) {
	defer r.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(r, sniffed))
}

// Path is where addresses lead to on the public listener.
const Path = "/media/"

// Names of an address's query fields. "sig" is one of the names whose values
// logs leave out.
const (
	FieldExpires   = "exp"
	FieldSignature = "sig"
)

// URL gives an address at which anybody who has it gets a blob, for a short
// while; empty if the host does not know its public address.
func (m *Media) URL(id string) string {
	if m.config.PublicURL == "" {
		return ""
	}
	until := fmt.Sprint(m.config.Now().Add(m.config.URLFor).Unix())
	return m.config.PublicURL + Path + id + "?" + FieldExpires + "=" + until + "&" + FieldSignature + "=" + m.sign(id, until)
}

// sign gives what proves that an address was made here. Its fields have no
// newline in them.
func (m *Media) sign(id, until string) string {
	mac := hmac.New(sha256.New, m.key)
	io.WriteString(mac, strings.Join([]string{"trama media 1", id, until}, "\n")) //nolint:errcheck // never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Same says whether a hash as a service gives it, hexadecimal or base64, is that
// of a blob.
func Same(b abi.Blob, given string) bool {
	sum, err := hex.DecodeString(b.SHA256)
	if err != nil {
		return false
	}
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if other, err := decode(strings.TrimSpace(given)); err == nil && len(other) == sha256.Size {
			return string(other) == string(sum)
		}
	}
	return false
}
