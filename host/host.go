// Package host joins the parts of Trama into one runtime: New, then Run, then
// Close. It is the only place that knows all of them; it decides nothing that
// one of them could.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/alert"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/gateway"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/server"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/backup"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/telemetry"
	"github.com/trama-run/trama/host/watch"
	"github.com/trama-run/trama/host/workspace"
)

// grace is how long a stop waits for requests and runs in progress.
const grace = 20 * time.Second

// Config is what a host is made of.
type Config struct {
	// Workspace is the directory that configures the host.
	Workspace string
	Settings  workspace.Settings
	// Environ is the process's environment; secrets are taken from it, and
	// nothing else.
	Environ []string
	// Bundled are the sha256 of the plugins that belong to this build.
	Bundled []string
	// Compiler is the command that compiles one plugin in a process of its
	// own; see sandbox.Config. Empty: this process compiles.
	Compiler []string
	// Wrap, if it is set, gives the store that is used in place of the one on
	// disk. It is for tests, which stop the process at chosen commits.
	Wrap func(store.Store) store.Store
	Log  *slog.Logger
}

// Host is a running installation.
type Host struct {
	config   Config
	store    store.Store
	sandbox  *sandbox.Sandbox
	secrets  *secret.Source
	egress   *egress.Client
	plugins  *plugin.Registry
	metrics  *telemetry.Metrics
	catalog  *catalog.Catalog
	runs     *run.Runner
	channels *channel.Channels
	alerts   *alert.Alerts
	outbox   *outbox.Outbox
	gateway  *gateway.Gateway
	dispatch *dispatch.Dispatcher
	token    string
	broken   chan error // takes the reason to stop that the store finds

	public, admin net.Listener

	reading sync.Mutex // held while files are applied
	pending atomic.Pointer[pending]
	news    chan struct{} // says that flows have changed
}

// pending is what the last reading of the workspace left out.
type pending struct {
	problems source.Problems
	changes  []catalog.Change
}

// New opens the store, takes in the workspace and binds both listeners. After
// an error nothing is left open.
func New(ctx context.Context, config Config) (_ *Host, err error) {
	h := &Host{config: config, broken: make(chan error, 1), news: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	s := config.Settings
	for _, dir := range []string{s.Data, s.Cache} {
		if err := private(dir, config.Log); err != nil {
			return nil, err
		}
	}
	if h.public, err = server.Listen(s.Addr); err != nil {
		return nil, err
	}
	if h.admin, err = server.Listen(s.AdminAddr); err != nil {
		return nil, err
	}
	opened, err := badger.Open(badger.Config{Dir: filepath.Join(s.Data, "store"), Log: config.Log})
	if err != nil {
		return nil, err
	}
	h.store = watched{opened, h.broken}
	if config.Wrap != nil {
		h.store = watched{config.Wrap(opened), h.broken}
	}
	if h.token, err = admin.Token(s.Data); err != nil {
		return nil, err
	}
	if h.sandbox, err = sandbox.Open(sandbox.Config{
		CacheDir: filepath.Join(s.Cache, "code"), Compiler: config.Compiler, Log: config.Log,
	}); err != nil {
		return nil, err
	}
	h.secrets = secret.New(config.Environ, s.Secrets)
	vault, err := secret.OpenVault(filepath.Join(s.Data, "vault"))
	if err != nil {
		return nil, err
	}
	h.egress = egress.New(egress.Config{Secrets: h.secrets, Vault: vault, Log: config.Log})
	h.metrics = telemetry.New(h.pluginStates)
	h.plugins = plugin.New(plugin.Config{
		Dirs: s.Plugins, DataDir: s.Data, CacheDir: s.Cache, Bundled: config.Bundled,
		Sandbox: h.sandbox, Egress: h.egress, Secrets: h.secrets, Log: config.Log, Called: h.called,
	})
	poke := func() { h.dispatch.Poke() }
	h.runs = run.New(run.Config{Store: h.store, Catalog: h.Catalog, Plugins: h.plugins, Env: s.Env, Secret: h.secret, Poke: poke, Log: config.Log})
	h.channels = channel.New(channel.Config{Store: h.store, Catalog: h.Catalog, Plugins: h.plugins, Secrets: h.secrets, Poke: poke, Log: config.Log,
		Sending: func(endpoint string) bool { return h.outbox.Sending(endpoint) }, Event: h.runs.AddEvent,
	})
	h.alerts = alert.New(alert.Config{Catalog: h.Catalog, Egress: h.egress, Secrets: h.secrets})
	h.outbox = outbox.New(outbox.Config{Store: h.store, Poke: poke, Log: config.Log, Lanes: map[string]outbox.Lane{
		outbox.PrefixContact: {Sender: h.channels.Sender(), Policy: channel.SendPolicy()},
		outbox.PrefixAlert:   {Sender: h.alerts, Policy: alert.Policy()},
	}})
	h.gateway = gateway.New(h.runs, config.Log)
	h.dispatch = dispatch.New(h.store, config.Log, map[string]dispatch.Handler{
		channel.PrefixIntake: h.channels.Intake,
		run.PrefixContact:    h.runs.Contact,
		outbox.PrefixContact: h.outbox.Work,
		outbox.PrefixAlert:   h.outbox.Work,
		run.PrefixRun:        h.runs.Alone,
		run.PrefixSchedule:   h.runs.Schedule,
	})
	h.pending.Store(&pending{})
	if h.catalog, err = catalog.Open(ctx, h.store, h.changed); err != nil {
		return nil, err
	}
	return h, h.readWorkspace(ctx, !h.configured())
}

// configured says whether files have configured this data directory before.
// Its first start takes the workspace as it is, grants included; a later one
// may be a supervisor's, with nobody there who looked at the files.
func (h *Host) configured() bool {
	for _, origin := range h.catalog.Snapshot().Origins {
		if origin.Kind == "file" {
			return true
		}
	}
	return false
}

// watched is a store whose owner learns that it can't go on: what is on disk
// is known again once it is opened anew, so the host stops and is started
// again by whoever watches over it.
type watched struct {
	store.Store
	broken chan<- error
}

func (w watched) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	result, err := w.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrUnknown) {
		select {
		case w.broken <- fmt.Errorf("the store must be opened again: %w", err):
		default: // the reason is known already
		}
	}
	return result, err
}

// secret says why a secret can't be opened.
func (h *Host) secret(name string) error {
	_, err := h.secrets.Open(name)
	return err
}

// Catalog returns the host's objects.
func (h *Host) Catalog() *catalog.Catalog { return h.catalog }

// Addr and AdminAddr are what the listeners are bound to.
func (h *Host) Addr() string      { return h.public.Addr().String() }
func (h *Host) AdminAddr() string { return h.admin.Addr().String() }

// changed hands a new snapshot to those who keep something made of it.
func (h *Host) changed(s *catalog.Snapshot) {
	h.gateway.Update(s)
	grants := make([]grant.Grant, len(s.Grants))
	for i, g := range s.Grants {
		grants[i] = g.Grant
	}
	h.plugins.SetGrants(grants)
	select {
	case h.news <- struct{}{}:
	default: // said already
	}
}

// schedules keeps the schedules those of the published flows.
func (h *Host) schedules(ctx context.Context) error {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-h.news:
		}
		again = nil
		if err := h.runs.SetSchedules(ctx); err != nil && ctx.Err() == nil {
			h.config.Log.Error("schedules not set; tried again soon", "error", err)
			again = time.After(10 * time.Second)
		}
	}
}

// readWorkspace applies the workspace's files. A file with mistakes leaves the
// objects that came from it as they were; what was left out is shown by the
// doctor.
func (h *Host) readWorkspace(ctx context.Context, allowWider bool) error {
	h.reading.Lock()
	defer h.reading.Unlock()
	files, err := workspace.ReadFiles(h.config.Workspace)
	if err != nil {
		return err
	}
	set, problems := workspace.Parse(files)
	problems = append(problems, h.holdMistakes(&set)...)
	problems = append(problems, h.holdCycles(&set)...)
	changes, err := h.catalog.Apply(ctx, set, allowWider)
	if conflict, ok := errors.AsType[source.Problems](err); ok {
		problems, err = append(problems, conflict...), nil
	}
	for _, p := range problems {
		h.config.Log.Error("workspace", "problem", p.Error())
	}
	left := &pending{problems: problems}
	for _, c := range changes {
		if c.Held != "" {
			left.changes = append(left.changes, c)
		}
		h.config.Log.Info("workspace", "object", c.Object, "action", c.Action, "origin", c.Origin.String(), "held", c.Held)
	}
	h.pending.Store(left)
	return err
}

// holdMistakes leaves flows out of a set that plugins' manifests contradict: what
// their files gave before stays. At the start the manifests are not read yet, so
// what is published stays until they are.
func (h *Host) holdMistakes(set *catalog.Set) (problems source.Problems) {
	published := h.catalog.Snapshot().Flows
	set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool {
		found, unknown := f.Check(h.plugins.Operations)
		problems = append(problems, found...)
		_, before := published[f.ID]
		wait := len(found) > 0 || len(unknown) > 0 && before && !h.plugins.Scanned()
		if wait {
			set.Broken = append(set.Broken, f.At.File)
		}
		return wait
	})
	return problems
}

// holdCycles leaves flows out of a set whose jumps to one another can't be:
// what their files gave before stays.
func (h *Host) holdCycles(set *catalog.Set) (problems source.Problems) {
	for {
		found := flow.CheckCalls(set.Flows, h.catalog.Snapshot().Staying(*set))
		if len(found) == 0 {
			return problems
		}
		problems = append(problems, found...)
		for _, p := range found {
			set.Broken = append(set.Broken, p.File)
		}
		set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool { return slices.Contains(set.Broken, f.At.File) })
	}
}

// apply applies files that an operator sent: all of them or, if one has a
// mistake, none.
func (h *Host) apply(ctx context.Context, files workspace.Files) ([]catalog.Change, error) {
	h.reading.Lock()
	defer h.reading.Unlock()
	set, problems := workspace.Parse(files)
	for _, f := range set.Flows {
		found, _ := f.Check(h.plugins.Operations)
		problems = append(problems, found...)
	}
	problems = append(problems, h.holdCycles(&set)...)
	if len(problems) > 0 {
		return nil, problems
	}
	changes, err := h.catalog.Apply(ctx, set, true)
	if err == nil {
		h.pending.Store(&pending{})
	}
	return changes, err
}

// Run serves until ctx ends, then stops in order: no new events, then the
// requests and runs in progress. Close is the caller's.
func (h *Host) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	part := func(name string, f func() error) {
		parts.Go(func() {
			if err := f(); err != nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	public := server.NewPublic(h.config.Log, server.Public{Gateway: h.gateway.Handle, Hook: h.channels.Hook})
	operators := server.NewAdmin(h.config.Log)
	admin.Mount(operators, admin.Config{
		Token: h.token, Store: h.store, Catalog: h.catalog, Plugins: h.plugins, Channels: h.channels, Runs: h.runs,
		Outbox: h.outbox, Alerts: h.alerts, Poke: h.dispatch.Poke,
		Sessions: h.runs.Pinned, Held: h.runs.Held, Secret: h.secret, Failing: h.dispatch.Failing, Operations: h.plugins.Operations, Apply: h.apply, Ready: h.plugins.Scanned,
		Backup:  func() io.ReadCloser { return backup.Stream(ctx, h.store, h.config.Settings.Data, h.config.Log) },
		Metrics: h.metrics.Handler(),
		Pending: func() (source.Problems, []catalog.Change) {
			p := h.pending.Load()
			return p.problems, p.changes
		},
	})
	part("public listener", func() error { return server.Serve(ctx, public, h.public, grace) })
	part("admin listener", func() error { return server.Serve(ctx, operators, h.admin, grace) })
	scanned := make(chan struct{})
	part("dispatch", func() error {
		select { // what is due would only find that no plugin is there yet
		case <-scanned:
			return h.dispatch.Run(ctx, grace)
		case <-ctx.Done():
			return nil
		}
	})
	part("schedules", func() error { return h.schedules(ctx) })
	part("plugins", func() error {
		h.scan(ctx)
		if err := h.readWorkspace(ctx, false); err != nil { // what waited for the manifests
			return err
		}
		close(scanned)
		watch.Files(ctx, h.plugins.Patterns(), func() { h.scan(ctx) })
		return nil
	})
	part("retired plugins", func() error { return h.sweep(ctx, scanned) })
	part("workspace", func() error {
		watch.Files(ctx, workspace.Patterns(h.config.Workspace), func() {
			if err := h.readWorkspace(ctx, false); err != nil {
				h.config.Log.Error("workspace not applied", "error", err)
			}
		})
		return nil
	})
	select {
	case err := <-h.broken:
		stop(err)
	case <-ctx.Done():
	}
	parts.Wait()
	waiting, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	h.runs.Close(waiting)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// scan takes in changed plugin files; one that can't be used is in the list of
// plugins, so only an unreadable directory is left to report.
func (h *Host) scan(ctx context.Context) {
	if err := h.plugins.Scan(ctx); err != nil {
		h.config.Log.Error("plugins", "error", err)
	}
}

// Close closes everything that New opened.
func (h *Host) Close() error {
	var errs []error
	for _, l := range []net.Listener{h.public, h.admin} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if h.plugins != nil {
		h.plugins.Close()
	}
	if h.egress != nil {
		h.egress.Close()
	}
	if h.sandbox != nil {
		errs = append(errs, h.sandbox.Close(context.Background()))
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	return errors.Join(errs...)
}
