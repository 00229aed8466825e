// Package trial runs flows without a server: with the engine, the runner, the
// plugins and the sandbox of a server, on a store in memory and a clock that
// stands still but for the waits that are skipped. What plugins ask of the
// network is answered by the trial, secrets are nobody's, and a contact's
// channel is the trial itself: it puts messages into the mailbox, and takes
// them out of the outbox, as they would reach the channel (see host/fallback).
//
// A [Bench] is a workspace with its plugins, compiled once. A [World] is one
// trial on it; [Bench.Run] plays a [Case] in one, and [Bench.Replay] a run's
// record. Trials on one bench go one after the other: the same trial gives the
// same each time, as far as its plugins do, whose clock and chance are real.
//
// The package must not know servers or terminals, and reaches nothing outside.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/native"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

// Config says what is tried.
type Config struct {
	// Files are the objects: a workspace's, or flows alone.
	Files workspace.Files
	// Env is what flows see as "env".
	Env map[string]any
	// Broken leaves out the files that have mistakes, which Bench.Problems names.
	Broken bool
	// Unchecked takes flows whose plugins are missing, or have other operations.
	Unchecked bool
	// Plugins are the directories of plugins; an earlier one's come first.
	Plugins []string
	// Bundled are the sha256 of the plugins that belong to this build.
	Bundled []string
	// Cache is the directory of compiled code and manifests, which is worth
	// keeping; Scratch is one for what is not, which the caller removes.
	Cache, Scratch string
	// Compiler is the command that compiles one plugin; see sandbox.Config.
	Compiler []string
}

// Bench is a workspace that is ready for trials.
type Bench struct {
	env      map[string]any
	problems source.Problems
	catalog  *catalog.Catalog
	sandbox  *sandbox.Sandbox
	egress   *egress.Client
	plugins  *plugin.Registry

	trying  sync.Mutex // held by the world that is at work
	answers *answers   // its own
}

// Open reads the plugins and takes in the files. Its error is a
// source.Problems if a file has mistakes, operations of plugins included.
func Open(ctx context.Context, config Config) (_ *Bench, err error) {
	set, problems := workspace.Parse(config.Files)
	if len(problems) > 0 && !config.Broken {
		return nil, problems
	}
	b := &Bench{env: config.Env, problems: problems}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close(ctx))
		}
	}()
	silent := slog.New(slog.NewTextHandler(io.Discard, nil))
	if b.sandbox, err = sandbox.Open(sandbox.Config{CacheDir: filepath.Join(config.Cache, "code"), Compiler: config.Compiler, Log: silent}); err != nil {
		return nil, err
	}
	secrets := secret.NewDummy()
	b.egress = egress.New(egress.Config{Secrets: secrets, Transport: transport{b}, Log: silent})
	b.plugins = plugin.New(plugin.Config{
		Dirs: config.Plugins, DataDir: config.Scratch, CacheDir: config.Cache, Bundled: config.Bundled,
		Sandbox: b.sandbox, Egress: b.egress, Secrets: secrets, Log: silent,
	})
	if err := b.plugins.Scan(ctx); err != nil {
		return nil, err
	}
	b.grant(set.Grants)
	operations, err := native.Operations(b.plugins.Operations)
	if err != nil {
		return nil, err
	}
	if !config.Unchecked {
		set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool {
			found, held := f.Check(operations)
			for _, h := range held { // a server would wait; here all plugins are there
				found.Add(h.At, "", "%s", h.Error())
			}
			b.problems = append(b.problems, found...)
			return len(found) > 0
		})
	}
	if len(b.problems) > 0 && !config.Broken {
		return nil, b.problems
	}
	if !slices.ContainsFunc(set.Channels, hasContacts) {
		set.Channels = append(set.Channels, catalog.Channel{ID: DefaultChannel, Adapter: DefaultChannel})
	}
	kept := memory.Open(memory.NewDisk(), nil)
	if b.catalog, err = catalog.Open(ctx, kept, func(*catalog.Snapshot) {}); err != nil {
		return nil, err
	}
	for {
		_, err = b.catalog.Apply(ctx, set, true)
		wrong, ok := errors.AsType[source.Problems](err)
		before := len(set.Flows)
		if ok && config.Broken {
			set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool { return isIn(wrong, f.At.File) })
		}
		if len(set.Flows) == before {
			return b, err
		}
		b.problems = append(b.problems, wrong...)
	}
}

// isIn says whether one of the problems is in a file.
func isIn(problems source.Problems, file string) bool {
	return slices.ContainsFunc(problems, func(p source.Problem) bool { return p.File == file })
}

// hasContacts says whether a channel has conversations.
func hasContacts(c catalog.Channel) bool { return c.Adapter != catalog.AdapterWebhook }

// Problems are the mistakes of what Open has left out.
func (b *Bench) Problems() source.Problems { return b.problems }

// DefaultChannel is the channel of workspaces without one that has contacts.
const DefaultChannel = "chat"

// grant gives plugins what the workspace grants them or, if it grants nothing
// at all, what they ask for: nothing of it leaves this process.
func (b *Bench) grant(given []catalog.Grant) {
	var grants []grant.Grant
	for _, g := range given {
		grants = append(grants, g.Grant)
	}
	if len(given) == 0 {
		for _, s := range b.plugins.List() {
			if s.Manifest != nil {
				asked := grant.Request(*s.Manifest, s.Digest)
				asked.Config = plugin.TrySettings(*s.Manifest)
				grants = append(grants, asked)
			}
		}
	}
	b.plugins.SetGrants(grants)
}

// Close lets go of the plugins.
func (b *Bench) Close(ctx context.Context) error {
	if b.plugins != nil {
		b.plugins.Close()
	}
	if b.egress != nil {
		b.egress.Close()
	}
	if b.sandbox != nil {
		return b.sandbox.Close(ctx)
	}
	return nil
}

// Flow gives a flow of the bench.
func (b *Bench) Flow(id string) (catalog.Flow, error) {
	f, ok := b.catalog.Snapshot().Flows[id]
	for _, p := range b.problems {
		if name := filepath.Base(p.File); !ok && strings.TrimSuffix(name, filepath.Ext(name)) == id {
			return f, fmt.Errorf("flow %q has mistakes: %w", id, p)
		}
	}
	if !ok {
		known := slices.Sorted(maps.Keys(b.catalog.Snapshot().Flows))
		return f, fmt.Errorf("there is no flow %q: %s", id, source.Suggest(id, known))
	}
	return f, nil
}

// able gives what a channel can be sent, as a server would: what it lacks is said
// by other means. One that is not of the workspace, or whose plugin is not
// there, can be sent everything.
func (b *Bench) able(id string) fallback.Adapter {
	c := b.catalog.Snapshot().Channels[id]
	if c.Adapter == catalog.AdapterAPIChat {
		return apichat.Able()
	}
	manifest, _ := b.plugins.Manifest(c.Adapter)
	return fallback.Of(manifest)
}

// Contact gives the key of a trial's contact on a channel of the workspace.
func (b *Bench) Contact(channel string) (contact.Key, error) {
	known := b.channels()
	if !slices.Contains(known, channel) {
		return "", fmt.Errorf("there is no channel %q with contacts: %s", channel, source.Suggest(channel, known))
	}
	return someone(channel), nil
}

// someone is the contact on a channel of a trial that names none.
func someone(channel string) contact.Key {
	return contact.KeyOf(channel, abi.Address{Scheme: "trial", Path: "contact"})
}

// channels are those that have contacts, by name; a trial that names none is on
// the first.
func (b *Bench) channels() []string {
	channels := b.catalog.Snapshot().Channels
	names := slices.Sorted(maps.Keys(channels))
	return slices.DeleteFunc(names, func(name string) bool { return !hasContacts(channels[name]) })
}

// operation gives an operation of a plugin, if that reaches nothing without a
// connection.
func (b *Bench) operation(name, operation string) (abi.Operation, bool) {
	m, ok := b.plugins.Manifest(name)
	asks := m.Capabilities
	if !ok || len(asks.Sign)+len(asks.Secrets) > 0 || slices.ContainsFunc(asks.Egress, func(e string) bool { return e != abi.EgressConnection }) {
		return abi.Operation{}, false
	}
	at := slices.IndexFunc(m.Operations, func(o abi.Operation) bool { return o.Name == operation })
	if at < 0 {
		return abi.Operation{}, false
	}
	return m.Operations[at], true
}

// transport answers in the place of the network.
type transport struct{ bench *Bench }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.bench.answers.http(r) }
