package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/bound"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/hostfn"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/pdk/abi"
)

// DefaultTimeout bounds a call, waiting included, where the node sets none.
const DefaultTimeout = 30 * time.Second

// Call is one call of a plugin's function.
type Call struct {
	Plugin string
	// Digest names the content that a session began with; empty: the one that
	// serves now.
	Digest string
	Export string
	Input  []byte // JSON
	// Code is the script of a call of a language's "run"; Input is the rest of
	// [abi.Run] then.
	Code string
	// Connection is the configured use of the other system, if there is one.
	Connection *egress.Connection
	// Secrets gives, by the manifest's names of secrets, the names of those on
	// this host that serve for this call; one left out has the manifest's name.
	// Only what the plugin is granted counts.
	Secrets  map[string]string
	EffectID string
	// Node is the flow's node that calls; empty for a channel's adapter. It
	// tells calls apart for those who answer in a plugin's place.
	Node    string
	Timeout time.Duration // 0 means DefaultTimeout
	// Caller is the run that calls, for those who answer in a plugin's place.
	Caller Caller
	// KV opens what the plugin remembers of the contact, within a quota in
	// bytes; nil if the call belongs to no contact. It is called once for each
	// attempt to make the call.
	KV func(quota int64) hostfn.KV
	// Blobs are those that the call can refer to; nil for none.
	Blobs egress.Blobs
	// Log receives what the guest logs, redacted and cut.
	Log func(level, text string)
}

// Caller is a run that makes a call.
type Caller struct {
	Run     string
	Contact string // key; empty: the run has none
	// Starts is how many runs have led to this one, each of which started the
	// next without having waited for anything.
	Starts int
}

// Usage is what a call cost.
type Usage struct {
	Fuel        int64 // units of guest work
	GuestTime   time.Duration
	MemoryBytes int64
}

// Call runs a function in the sandbox, within the plugin's grant. Every
// failure comes back as an error for the flow, with secrets redacted.
func (r *Registry) Call(ctx context.Context, c Call) (json.RawMessage, Usage, *abi.Error) {
	name := c.Plugin + "." + c.Export
	ctx, span := trace.Begin(ctx, trace.Inside, name)
	ctx = cause.With(ctx, func(of *cause.Cause) {
		of.Kind, of.Name, of.Effect = calllog.KindConnector, name, c.EffectID
	})
	output, usage, failure := r.attempt(ctx, c)
	if span.On() {
		span.Text("trama.plugin", c.Plugin)
		span.Text("trama.digest", c.Digest)
		span.Number("trama.fuel", usage.Fuel)
		span.Number("trama.guest_microseconds", usage.GuestTime.Microseconds())
		if failure != nil {
			span.Fail(failure.Code)
		}
		span.End()
	}
	if r.config.Called != nil {
		r.config.Called(c.Plugin, usage, failure)
	}
	return output, usage, failure
}

// attempt calls the content that a call means until one is not replaced
// meanwhile.
func (r *Registry) attempt(ctx context.Context, c Call) (json.RawMessage, Usage, *abi.Error) {
	for {
		p, refusal := r.granted(c.Plugin, c.Digest)
		if refusal != nil {
			return nil, Usage{}, refusal
		}
		output, usage, err := r.call(ctx, p, c)
		if errors.Is(err, errEnded) || errors.Is(err, sandbox.ErrClosed) {
			continue // replaced between look-up and use: the table has the new one
		}
		if err != nil {
			return nil, usage, asABI(c, err)
		}
		return output, usage, nil
	}
}

func (r *Registry) call(ctx context.Context, p *plugin, c Call) (json.RawMessage, Usage, error) {
	granted := p.decision.Grant
	limits := limitsOf(granted.Limits)
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Log == nil {
		c.Log = func(string, string) {}
	}
	ctx, cancel := bound.For(ctx, c.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	code, err := p.use(ctx, termsOf(granted))
	if failed, ok := errors.AsType[*sandbox.Error](err); ok {
		return nil, Usage{}, &abi.Error{Code: abi.CodeUnavailable, Retryable: true, Message: fmt.Sprintf("plugin %s: its code could not be made ready, so nothing was called: %v", c.Plugin, failed)}
	}
	if err != nil {
		return nil, Usage{}, err
	}
	defer code.touch()
	scope := r.config.Egress.Open(egress.Policy{
		Origins: granted.Egress, Connection: c.Connection, Secrets: given(p.manifest, granted, c.Secrets), Named: c.Secrets, Bound: granted.Bound,
		HTTPBytes: limits.HTTPBody, Requests: limits.Requests, Timeout: c.Timeout,
		Blobs: c.Blobs, BlobBytes: int64(granted.Limits.Blob), Unsafe: unsafe(p.manifest, c.Export),
	})
	outside := hostfn.Call{
		Scope: scope, Secrets: r.config.Secrets, Keys: granted.Keys, KVGranted: granted.KV > 0,
		EffectID: c.EffectID, Deadline: deadline, Config: granted.Config, Log: c.Log, LogBytes: limits.Log,
	}
	if c.KV != nil {
		outside.KV = c.KV(int64(granted.KV))
	}
	host := hostfn.New(outside)
	call := sandbox.Call{Export: c.Export, Input: c.Input, Limits: limits, Host: host}
	switch {
	case c.Code == "":
	case code.prepares:
		var ready *script
		if ready, err = r.scripts.use(ctx, code.module, c.Code, limits); err == nil {
			defer r.scripts.release(ready)
			call.Image = ready.image
		}
	default:
		call.Input, err = withCode(c.Input, c.Code)
	}
	var result sandbox.Result
	if err == nil {
		result, err = code.module.Call(ctx, call)
	}
	usage := Usage{Fuel: result.Fuel, GuestTime: result.GuestTime, MemoryBytes: result.MemoryBytes}
	if err != nil {
		if errors.Is(err, sandbox.ErrClosed) {
			return nil, usage, err
		}
		return nil, usage, redacted(scope, err)
	}
	output := result.Output
	if len(output) == 0 {
		output = []byte("null")
	}
	// Redacted first: a secret that is a bare number leaves no JSON behind.
	output = []byte(scope.Redact(string(output)))
	if !json.Valid(output) {
		return nil, usage, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("plugin %s: function %q returned %d bytes that are not JSON", c.Plugin, c.Export, len(output))}
	}
	return output, usage, nil
}

// given are a manifest's requests for secrets that its grant answers, under the
// names that they have on this host.
func given(m abi.Manifest, granted grant.Grant, named map[string]string) []abi.SecretRequest {
	return slices.DeleteFunc(slices.Clone(m.Capabilities.Secrets), func(r abi.SecretRequest) bool {
		return !slices.Contains(granted.Secrets, cmp.Or(named[r.Name], r.Name))
	})
}

// unsafe says whether a function is that of an operation whose repeat may do
// it twice, or runs scripts, which may do anything.
func unsafe(m abi.Manifest, export string) bool {
	return m.Kind == abi.KindLanguage && export == abi.FuncRun || slices.ContainsFunc(m.Operations, func(op abi.Operation) bool {
		return ExportOf(op) == export && op.Effect == abi.EffectUnsafe
	})
}

// limitsOf gives the limits of a decision, all of which are set, as the
// sandbox takes them.
func limitsOf(l grant.Limits) sandbox.Limits {
	return sandbox.Limits{
		Memory: int64(l.Memory), Time: time.Duration(l.Time), Input: int64(l.Input), Output: int64(l.Output),
		HTTPBody: int64(l.HTTP), Fuel: int64(l.Fuel), Requests: l.Requests, Log: int64(l.Log),
	}
}

// Full gives what a plugin's calls have where all is granted that its manifest
// asks for: the grant that holds then, and its limits as the sandbox takes them.
func Full(m abi.Manifest) (grant.Grant, sandbox.Limits) {
	const digest = "" // of any file
	asked := grant.Request(m, digest)
	for key := range asked.Config {
		asked.Config[key] = "" // given, for which any value does here
	}
	full := grant.Decide(m, grant.Content{Digest: digest}, []grant.Grant{asked}).Grant
	return full, limitsOf(full.Limits)
}

// redacted takes secrets out of an error that a guest may have shaped.
func redacted(scope *egress.Scope, err error) error {
	var failure *sandbox.Error
	if !errors.As(err, &failure) {
		return err
	}
	e := *failure.ABI()
	e.Message = scope.Redact(e.Message)
	if e.Detail != nil {
		e.Detail = json.RawMessage(scope.Redact(string(e.Detail)))
	}
	return &e
}

// asABI gives an error the shape that flows see.
func asABI(c Call, err error) *abi.Error {
	var shaped *abi.Error
	if errors.As(err, &shaped) {
		return shaped
	}
	code := abi.CodeTrap
	if errors.Is(err, context.DeadlineExceeded) {
		code = abi.CodeTimeout
	}
	return &abi.Error{Code: code, Message: fmt.Sprintf("plugin %s: %v", c.Plugin, err), Retryable: code == abi.CodeTimeout}
}
