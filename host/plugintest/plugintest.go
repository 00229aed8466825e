// Package plugintest tests one plugin's file as its author does: it calls it in
// the real sandbox, with the real functions of a host, and answers at the edge
// of the process what the plugin asks of the world.
//
//	p, err := plugintest.Open(ctx, plugintest.Config{Sandbox: box}, "build/acme.wasm")
//	cases, problems := plugintest.Parse("cases/make.yaml", data, p.Manifest)
//	for _, c := range cases {
//		differences := p.Run(ctx, c).Differences
//	}
//
// A plugin gets all that its manifest asks for, and what a case says; nothing
// reaches the network, unless [Config.Network] says so. Package kit, below, holds
// a plugin against what all of them owe to their host.
//
// The package knows plugins and nothing of flows, channels and stores of a host
// that runs.
package plugintest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/hostfn"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// EffectID is the effect id of every call.
const EffectID = "test-effect"

// base is the connection's base URL, where nothing else is said.
const base = "https://connection.example"

// Config says in what a plugin is tested.
type Config struct {
	Sandbox *sandbox.Sandbox
	// Network is the base URL of a real service: the connection's, which alone
	// is reached then. Empty: nothing is, and cases answer.
	Network string
}

// Plugin is one file, ready to be called. Calls go one at a time.
type Plugin struct {
	Path     string
	Manifest abi.Manifest
	Digest   string
	Info     sandbox.Info

	// Limits are those of its calls: what a grant of all that its manifest asks for
	// gives. So are the bytes of a contact's memory, and of blobs that a call makes.
	Limits             sandbox.Limits
	kvBytes, blobBytes int64

	code       *code
	secrets    *secret.Source
	client     *egress.Client
	connection string
	recorder   *recorder

	mu sync.Mutex // held during a call
}

// Open reads and checks a plugin's file, as a host does, and compiles it. One that
// needs settings starts with those of its calls, and not before.
func Open(ctx context.Context, config Config, path string) (*Plugin, error) {
	manifest, digest, err := plugin.Inspect(ctx, config.Sandbox, path)
	if err != nil {
		return nil, err
	}
	if config.Network != "" {
		if wrong := (egress.Connection{ID: "test", BaseURL: config.Network}).Validate(); len(wrong) > 0 {
			return nil, errors.New(strings.Join(wrong, "; "))
		}
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	granted, limits := plugin.Full(manifest)
	built := &code{sandbox: config.Sandbox, wasm: wasm, options: plugin.Options(manifest, limits.Memory, nil)}
	info, err := sandbox.Inspect(wasm)
	if err == nil && plugin.Unfit(manifest, nil) == "" {
		_, err = built.with(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	p := &Plugin{
		Path: path, Manifest: manifest, Digest: digest, Info: info,
		Limits: limits, kvBytes: int64(granted.KV), blobBytes: int64(granted.Limits.Blob),
		code: built, connection: cmp.Or(config.Network, base), secrets: testSecrets(manifest),
	}
	p.recorder = &recorder{base: p.connection, secrets: manifest.Capabilities.Secrets}
	client := egress.Config{Secrets: p.secrets, Transport: p.recorder}
	if config.Network != "" {
		client.Transport, client.Exchanged = nil, p.recorder.seen
	}
	p.client = egress.New(client)
	return p, nil
}

// Close releases the plugin's code.
func (p *Plugin) Close(ctx context.Context) error {
	p.client.Close()
	return p.code.close(ctx)
}

// Call is one call of an export.
type Call struct {
	Export string
	Input  []byte
	Config map[string]string
	HTTP   []Exchange
	KV     map[string]string
	// Ahead is how far the call's clock is ahead of ours.
	Ahead time.Duration
}

// Outcome is what came of a call.
type Outcome struct {
	Output []byte
	Error  *abi.Error // nil: it succeeded
	// Said is what the plugin set as its error, of which Error is what a host
	// reads.
	Said string
	// Kind says how a call failed that did.
	Kind sandbox.Kind
	// Requests are those that went out, with secrets shown as <secret:name>.
	Requests []abi.HTTPExchange
	// Failures says of each request why nobody answered it, as an [Exchange]
	// does; empty: somebody did.
	Failures []string
	// Cut: of a body that went to or came from the real network, the beginning
	// alone is in Requests.
	Cut bool
	// Unexpected is how the requests differ from those that were to be made.
	Unexpected []Difference
	Log        []string          // "info: text"
	KV         map[string]string // the contact's memory afterwards
	Fuel       int64
	Memory     int64         // bytes of the plugin's memory at the end
	GuestTime  time.Duration // without waiting
	Took       time.Duration
}

// Call calls an export. What goes wrong with the call is in the outcome; the
// error is for a call that can't be made.
func (p *Plugin) Call(ctx context.Context, c Call) (Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, plugin.DefaultTimeout)
	defer cancel()
	a, err := p.prepare(ctx, c)
	if failed, is := errors.AsType[*sandbox.Error](err); is { // with its settings it doesn't start
		return Outcome{Error: failed.ABI(), Kind: failed.Kind, Said: failed.Said}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	a.perform(ctx)
	return a.end(ctx)
}

// attempt is one call, in its parts: what stands around it is ours, and not part
// of what it costs.
type attempt struct {
	*Plugin
	module *sandbox.Module
	call   sandbox.Call
	world  *world
	scope  *egress.Scope
	memory *kv.Memory
	own    *kv.Call // the memory as this call sees it
	out    Outcome
	result sandbox.Result
	err    error
}

// prepare makes all that a call reaches.
func (p *Plugin) prepare(ctx context.Context, c Call) (*attempt, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(plugin.DefaultTimeout)
	}
	module, err := p.code.with(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	p.recorder.begin(c.HTTP)
	memory, err := p.remember(ctx, c.KV)
	if err != nil {
		return nil, err
	}
	asked := p.Manifest.Capabilities
	a := &attempt{Plugin: p, module: module, memory: memory, own: memory.Begin(p.Manifest.Name, p.kvBytes)}
	a.scope = p.client.Open(egress.Policy{
		Origins: origins(asked.Egress, c.HTTP), Connection: &egress.Connection{ID: "test", BaseURL: p.connection},
		Secrets: asked.Secrets, HTTPBytes: p.Limits.HTTPBody, Requests: p.Limits.Requests, Timeout: plugin.DefaultTimeout,
		Unsafe: p.isUnsafe(c.Export), Blobs: newBlobs(c.HTTP), BlobBytes: p.blobBytes,
	})
	granted := hostfn.Call{
		Scope: a.scope, Secrets: p.secrets, KVGranted: p.kvBytes > 0,
		EffectID: EffectID, Deadline: deadline.Add(c.Ahead), Config: c.Config, LogBytes: p.Limits.Log,
		Log: func(level, text string) { a.out.Log = append(a.out.Log, level+": "+plugin.ForAuthor(text)) },
	}
	if p.Manifest.Kind != abi.KindChannel || c.Export != abi.FuncReceive && c.Export != abi.FuncSend {
		granted.KV = a.own // a channel's functions belong to no run of a contact
	}
	a.world = &world{Host: hostfn.New(granted), call: granted, algorithms: asked.Sign}
	a.call = sandbox.Call{Export: c.Export, Input: c.Input, Limits: p.Limits, Host: a.world, Ahead: c.Ahead}
	return a, nil
}

// origins gives those that a call may reach: what is asked for and, since a
// plugin for any connection may be granted origins beside it, those of the
// requests that are answered.
func origins(asked []string, answered []Exchange) []string {
	all := slices.Clone(asked)
	if !slices.Contains(asked, abi.EgressConnection) {
		return all
	}
	for _, e := range answered {
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != "" {
			all = append(all, u.Scheme+"://"+u.Host)
		}
	}
	return all
}

// perform makes the call.
func (a *attempt) perform(ctx context.Context) {
	began := time.Now()
	a.result, a.err = a.module.Call(ctx, a.call)
	a.out.Took = time.Since(began)
}

// end gives what came of it.
func (a *attempt) end(ctx context.Context) (Outcome, error) {
	out := a.out
	out.Fuel, out.Memory, out.GuestTime = a.result.Fuel, a.result.MemoryBytes, a.result.GuestTime
	failed, shaped := errors.AsType[*sandbox.Error](a.err)
	switch {
	case shaped:
		failure := *failed.ABI()
		failure.Message = a.scope.Redact(plugin.ForAuthor(failure.Message))
		if failure.Detail != nil {
			failure.Detail = json.RawMessage(a.scope.Redact(string(failure.Detail)))
		}
		out.Error, out.Kind, out.Said = &failure, failed.Kind, a.scope.Redact(failed.Said)
	case a.err != nil:
		return out, a.err
	default:
		out.Output = []byte(a.scope.Redact(string(a.result.Output)))
		a.own.Keep()
		if a.call.Export == abi.FuncReceive && a.Manifest.Kind == abi.KindChannel { // as a host reads it
			if _, out.Error = contact.Received(out.Output); out.Error != nil {
				out.Output = nil
			}
		}
	}
	a.recorder.end(&out)
	var err error
	out.KV, err = a.remembered(ctx, a.memory)
	return out, err
}

func (p *Plugin) isUnsafe(export string) bool {
	return slices.ContainsFunc(p.Manifest.Operations, func(op abi.Operation) bool {
		return plugin.ExportOf(op) == export && op.Effect == abi.EffectUnsafe
	})
}

// remember makes a contact's memory with these values in it.
func (p *Plugin) remember(ctx context.Context, values map[string]string) (*kv.Memory, error) {
	all := kv.Open(memory.Open(memory.NewDisk(), nil), "test")
	first := all.Begin(p.Manifest.Name, p.kvBytes)
	for key, value := range values {
		if err := first.Set(ctx, key, []byte(value)); err != nil {
			return nil, fmt.Errorf("kv: %w", err)
		}
	}
	first.Keep()
	return all, nil
}

// remembered gives a whole memory.
func (p *Plugin) remembered(ctx context.Context, all *kv.Memory) (map[string]string, error) {
	last := all.Begin(p.Manifest.Name, p.kvBytes)
	keys, _, err := last.List(ctx, "", "", abi.MaxKVKeys)
	if err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	values := map[string]string{}
	for _, key := range keys {
		value, _, err := last.Get(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("kv: %w", err)
		}
		values[key] = string(value)
	}
	return values, nil
}

// testSecrets has a value for each secret that a manifest asks for.
func testSecrets(m abi.Manifest) *secret.Source {
	var environ []string
	for _, s := range m.Capabilities.Secrets {
		environ = append(environ, variable(s.Name, secretValue(s.Name)))
	}
	return secret.New(environ, "")
}

// secretValue is a secret's value, in letters that no encoding changes.
func secretValue(name string) string {
	sum := sha256.Sum256([]byte("test secret " + name))
	return "secret" + hex.EncodeToString(sum[:12])
}

// MessageOf gives the sentence of what a plugin passed to error_set: an
// [abi.Error] as JSON, or plain text.
func MessageOf(set string) string {
	var said abi.Error
	if json.Unmarshal([]byte(set), &said) == nil && said.Code+said.Message != "" {
		return cmp.Or(said.Message, said.Code)
	}
	return set
}
