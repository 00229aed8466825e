// Package hostfn offers the host's functions to one call of a guest: Extism's
// outward ones and those of trama:host/v1, each built from what the call was
// granted.
//
// A [Host] is made for one call and forgotten with it. It decides nothing: it
// reads requests strictly, hands them to the call's egress scope and to the
// host's secrets, and shapes the replies. It must not know flows, stores or
// how guests run.
package hostfn

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// maxRandom is the most bytes that one call of random gives; see [abi.Random].
const maxRandom = 4096

// maxHearing is the most of a call's time that is kept for its end.
const maxHearing = 500 * time.Millisecond

// Call is what one call of a guest was granted.
type Call struct {
	Scope   *egress.Scope
	Secrets *secret.Source
	// Keys are the names of the keys that the guest may sign and verify with.
	Keys     []string
	EffectID string
	Deadline time.Time
	// KVGranted says that the plugin may remember something; KV is where, nil
	// if the call belongs to no contact.
	KVGranted bool
	KV        KV
	// Config is what Extism's config_get finds.
	Config map[string]string
	// Log receives the guest's lines: redacted, without control characters,
	// at most 4 KiB each and LogBytes in all. Nil drops them.
	Log      func(level, text string)
	LogBytes int64
}

// Host is what one call may reach. It is safe for concurrent use.
type Host struct {
	call Call

	mu      sync.Mutex
	logLeft int64 // guarded by mu; bytes, below zero once the end was announced
}

var _ sandbox.Host = (*Host)(nil)

// New returns the host of one call.
func New(call Call) *Host {
	return &Host{call: call, logLeft: call.LogBytes}
}

// functions is trama:host/v1: each reads its request, does its work within
// the grant, and gives the reply.
var functions = map[string]func(h *Host, ctx context.Context, request []byte) (any, error){
	abi.HostHTTPSend:  typed((*Host).HTTP),
	abi.HostSecretRef: typed((*Host).secretRef),
	abi.HostSign:      typed((*Host).sign),
	abi.HostVerify:    typed((*Host).verify),
	abi.HostLog:       typed((*Host).log),
	abi.HostEffectID:  typed((*Host).effectID),
	abi.HostDeadline:  typed((*Host).deadline),
	abi.HostRandom:    typed((*Host).random),
	abi.HostKVGet:     typed((*Host).kvGet),
	abi.HostKVSet:     typed((*Host).kvSet),
	abi.HostKVDelete:  typed((*Host).kvDelete),
	abi.HostKVList:    typed((*Host).kvList),
}

// none is the request of a function that takes nothing.
type none struct{}

// typed wraps a function of Go types into one of JSON.
func typed[Request, Result any](f func(*Host, context.Context, Request) (Result, error)) func(*Host, context.Context, []byte) (any, error) {
	return func(h *Host, ctx context.Context, request []byte) (any, error) {
		var r Request
		if _, takesNothing := any(r).(none); len(request) > 0 || !takesNothing {
			if err := decode(request, &r); err != nil {
				return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the request is not the JSON that it must be: %v", err)}
			}
		}
		return f(h, ctx, r)
	}
}

// decode reads one JSON value and refuses unknown fields and anything after.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is something after the value")
	}
	return nil
}

// Function performs a function of trama:host/v1. What goes wrong is a reply;
// the error is for a function that this version does not have.
func (h *Host) Function(ctx context.Context, name string, request []byte) ([]byte, error) {
	f, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("%s has no function %q", abi.ModuleTrama, name)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	result, err := f(h, ctx, request)
	if err != nil {
		return json.Marshal(abi.Reply{Error: h.shape(name, err)})
	}
	return encode(name, result)
}

// encode gives an [abi.Reply] that is no error, in one go, and with <, > and & as
// they are: a guest pays for reading escapes.
func encode(name string, result any) ([]byte, error) {
	var reply bytes.Buffer
	to := json.NewEncoder(&reply)
	to.SetEscapeHTML(false)
	err := to.Encode(struct {
		OK any `json:"ok"`
	}{result})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return bytes.TrimSuffix(reply.Bytes(), []byte{'\n'}), nil
}

// shape gives an error the form that guests see.
func (h *Host) shape(name string, err error) *abi.Error {
	var shaped abi.Error
	var known *abi.Error
	if errors.As(err, &known) {
		shaped = *known
	} else {
		shaped = abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
		if errors.Is(err, secret.ErrMissing) {
			shaped.Code = abi.CodeNoSecret
		}
	}
	shaped.Message = h.redact(name + ": " + shaped.Message)
	return &shaped
}

func (h *Host) redact(text string) string {
	if h.call.Scope == nil {
		return text
	}
	return h.call.Scope.Redact(text)
}

// Config gives a setting, for Extism's config_get.
func (h *Host) Config(key string) (string, bool) {
	value, ok := h.call.Config[key]
	return value, ok
}

// HTTP sends a request through the call's egress scope, for Extism's
// http_request and for http_send alike.
func (h *Host) HTTP(ctx context.Context, request abi.HTTPRequest) (abi.HTTPResponse, error) {
	if h.call.Scope == nil {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeDenied, Message: "this call may reach nothing outside"}
	}
	// The guest is left the time to hear that nobody answered, and to say so:
	// were both to end at once, the call would be cut short without a word.
	if left := time.Until(h.call.Deadline); left > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left-min(left/10, maxHearing))
		defer cancel()
	}
	return h.call.Scope.Send(ctx, request)
}

func (h *Host) secretRef(_ context.Context, r abi.SecretRef) (abi.SecretHandle, error) {
	if h.call.Scope == nil {
		return abi.SecretHandle{}, &abi.Error{Code: abi.CodeDenied, Message: "this call may reach nothing outside"}
	}
	handle, err := h.call.Scope.SecretRef(r.Name)
	return abi.SecretHandle{Handle: handle}, err
}

// mayUse refuses a key that the call was not granted.
func (h *Host) mayUse(key string) error {
	if h.call.Secrets == nil || !slices.Contains(h.call.Keys, key) {
		return &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("key %q is not granted: add it to the keys of the plugin's line in grants.yaml", key)}
	}
	return nil
}

func (h *Host) sign(_ context.Context, r abi.Sign) (abi.Signature, error) {
	if err := h.mayUse(r.Key); err != nil {
		return abi.Signature{}, err
	}
	signature, err := h.call.Secrets.Sign(r.Key, r.Algorithm, r.Data)
	return abi.Signature{Signature: signature}, err
}

func (h *Host) verify(_ context.Context, r abi.Verify) (abi.Verified, error) {
	if err := h.mayUse(r.Key); err != nil {
		return abi.Verified{}, err
	}
	valid, err := h.call.Secrets.Verify(r.Key, r.Algorithm, r.Data, r.Signature)
	return abi.Verified{Valid: valid}, err
}

func (h *Host) effectID(context.Context, none) (abi.EffectID, error) {
	return abi.EffectID{ID: h.call.EffectID}, nil
}

func (h *Host) deadline(context.Context, none) (abi.Deadline, error) {
	return abi.Deadline{UnixMillis: h.call.Deadline.UnixMilli()}, nil
}

func (h *Host) random(_ context.Context, r abi.Random) (abi.RandomBytes, error) {
	if r.N < 1 || r.N > maxRandom {
		return abi.RandomBytes{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("n is %d: ask for 1 to %d bytes", r.N, maxRandom)}
	}
	b := make([]byte, r.N)
	rand.Read(b) //nolint:errcheck // never fails since Go 1.24
	return abi.RandomBytes{Bytes: b}, nil
}
