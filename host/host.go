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
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/alert"
	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/gateway"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/native"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/server"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/backup"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/telemetry"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/host/watch"
	"github.com/trama-run/trama/host/webhook"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

// grace is how long a stop waits for requests and runs in progress.
const grace = 20 * time.Second

// adminGrace is how long operators' requests may go on when all else has ended.
const adminGrace = 2 * time.Second

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
	config  Config
	store   store.Store
	sandbox *sandbox.Sandbox
	secrets *secret.Source
	egress  *egress.Client
	plugins *plugin.Registry
	// operations are those of plugins and the host's own.
	operations flow.Operations
	metrics    *telemetry.Metrics
	catalog    *catalog.Catalog
	runs       *run.Runner
	channels   *channel.Channels
	alerts     *alert.Alerts
	webhooks   *webhook.Webhooks
	media      *media.Media
	outbox     *outbox.Outbox
	vault      *secret.Vault
	guard      *access.Guard
	gateway    *gateway.Gateway
	docs       *openapi.Site
	dispatch   *dispatch.Dispatcher
	token      string
	broken     chan error // takes the reason to stop that the store finds
	pulse      pulse
	calls      *calllog.Log  // nil: it is off
	tracer     *trace.Tracer // nil: nobody collects
	leaving    atomic.Bool   // the host was told to stop
	servers    struct{ public, admin atomic.Pointer[server.Server] }

	public, admin net.Listener

	conditions condition

	reading sync.Mutex // held while files are applied
	pending atomic.Pointer[pending]
	news    chan struct{} // says that flows have changed
}

// New opens the store, takes in the workspace and binds both listeners. After
// an error nothing is left open.
func New(ctx context.Context, config Config) (_ *Host, err error) {
	config.Log = slog.New(cause.Handler(config.Log.Handler()))
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
	crowd := func(peer netip.Addr) netip.Addr { return access.Crowd(peer, s.TrustedProxies) }
	if h.public, err = server.Listen(s.Addr, server.TLS(s.TLS), crowd, config.Log); err != nil {
		return nil, err
	}
	if h.admin, err = server.Listen(s.AdminAddr, server.TLS(s.AdminTLS), crowd, config.Log); err != nil {
		return nil, err
	}
	opened, err := badger.Open(badger.Config{Dir: filepath.Join(s.Data, "store"), Log: config.Log})
	if err != nil {
		return nil, err
	}
	h.metrics = telemetry.New(h.pluginStates)
	h.store = watched{opened, h.broken, &h.pulse, h.committed}
	if config.Wrap != nil {
		h.store = watched{config.Wrap(opened), h.broken, &h.pulse, h.committed}
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
	h.vault = vault
	if err := h.secrets.Keep(vault); err != nil {
		return nil, err
	}
	if err := h.watchers(ctx); err != nil {
		return nil, err
	}
	h.egress = egress.New(egress.Config{Secrets: h.secrets, Vault: vault, Exchanged: h.exchanged, Log: config.Log})
	h.plugins = plugin.New(plugin.Config{
		Dirs: s.Plugins, DataDir: s.Data, CacheDir: s.Cache, Bundled: config.Bundled, Trusted: s.TrustedKeys,
		Sandbox: h.sandbox, Egress: h.egress, Secrets: h.secrets, Log: config.Log, Called: h.called,
	})
	poke := func() { h.dispatch.Poke() }
	if h.webhooks, err = webhook.Open(ctx, webhook.Config{Store: h.store, Catalog: h.Catalog, Egress: h.egress, Secrets: h.secrets, Vault: vault, Poke: poke, Log: config.Log,
		Run: func(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error) {
			return h.runs.Secretly(ctx, f, trigger, event)
		},
		Rules: webhook.Rules{AllowHTTP: s.Webhooks.AllowHTTP, AllowPrivate: s.Webhooks.AllowPrivate, DisableAfter: time.Duration(s.Webhooks.DisableAfter)},
	}); err != nil {
		return nil, err
	}
	own, err := native.Add(h.plugins, func() native.Runs { return h.runs })
	if err != nil {
		return nil, err
	}
	if h.operations, err = native.Operations(h.plugins.Operations); err != nil {
		return nil, err
	}
	if h.media, err = media.Open(media.Config{
		Store: h.store, Vault: vault, PublicURL: s.PublicURL, Max: int64(s.Media.Max), Keep: s.Media.Keep(), URLFor: time.Duration(s.Media.URLFor), Same: run.SameOwner(h.store),
	}); err != nil {
		return nil, err
	}
	h.runs = run.New(run.Config{Ended: h.ran, Subscribers: h.webhooks, Store: h.store, Catalog: h.Catalog, Plugins: own, Env: s.Env, Secret: h.secret, Poke: poke, Log: config.Log,
		Check:     func(route string, r *engine.Respond) error { return h.gateway.Broken(route, r) },
		Place:     func(ctx context.Context, route string) (func(), bool) { return h.gateway.Place(ctx, route) },
		Able:      func(channel string) fallback.Adapter { return h.channels.Able(channel) },
		Addresses: func(channel string) []abi.AddressForm { return h.channels.Addresses(channel) },
		Fetch: func(ctx context.Context, channel string, who contact.Key, m abi.Message) (abi.Message, error) {
			return h.channels.Fetch(ctx, channel, who, m)
		},
	})
	if h.guard, err = access.New(ctx, access.Config{Trusted: s.TrustedProxies, URL: h.address, Secrets: h.secrets, Vault: vault, Egress: h.egress, Store: h.store, Log: config.Log}); err != nil {
		return nil, err
	}
	h.channels = channel.New(channel.Config{Chats: apichat.New(apichat.Config{Store: h.store, Egress: h.egress, Secrets: h.secrets, Vault: vault}), Subscribers: h.webhooks, Store: h.store, Catalog: h.Catalog, Plugins: h.plugins, Secrets: h.secrets, Poke: poke, Log: config.Log,
		Sending: func(endpoint string) bool { return h.outbox.Sending(endpoint) }, Event: h.runs.AddEvent, Guard: h.guard, Media: h.media,
		PublicURL: s.PublicURL, Deliver: h.deliver, Taker: h.runs.Taker, Listeners: h.runs.Listeners,
	})
	h.alerts = alert.New(alert.Config{Catalog: h.Catalog, Egress: h.egress, Secrets: h.secrets})
	h.outbox = outbox.New(outbox.Config{Tried: h.tried, Store: h.store, Poke: poke, Log: config.Log, Lanes: map[string]outbox.Lane{
		outbox.PrefixContact:   {Sender: h.channels.Sender(), Policy: channel.SendPolicy(), Ended: h.channels.Ended},
		outbox.PrefixAlert:     {Sender: h.alerts, Policy: alert.Policy()},
		webhook.PrefixDelivery: {Sender: h.webhooks, Policy: webhook.Policy()},
	}})
	h.gateway = gateway.New(gateway.Config{Runs: h.runs, Guard: h.guard, Log: config.Log})
	if h.docs, err = openapi.NewSite("/api"); err != nil {
		return nil, err
	}
	h.dispatch = dispatch.New(h.store, config.Log, map[string]dispatch.Handler{
		channel.PrefixIntake:   h.channels.Intake,
		channel.PrefixOrder:    h.channels.Order,
		channel.PrefixFetch:    h.channels.Fetching,
		mail.Prefix:            h.runs.Contact,
		outbox.PrefixContact:   h.outbox.Work,
		outbox.PrefixAlert:     h.outbox.Work,
		webhook.PrefixEvents:   h.webhooks.FanOut,
		webhook.PrefixDelivery: h.outbox.Work,
		webhook.PrefixFailing:  h.webhooks.Failing,
		run.PrefixRun:          h.runs.Alone,
		run.PrefixSchedule:     h.runs.Schedule,
	})
	h.metrics.Watch(h.condition)
	h.pending.Store(&pending{})
	if h.catalog, err = catalog.Open(ctx, h.store, h.changed); err != nil {
		return nil, err
	}
	return h, h.readWorkspace(ctx, !h.configured())
}

// watched is a store whose owner learns that it can't go on: what is on disk
// is known again once it is opened anew, so the host stops and is started
// again by whoever watches over it.
type watched struct {
	store.Store
	broken chan<- error
	pulse  *pulse
	count  func(took time.Duration, err error)
}

func (w watched) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	began := time.Now()
	result, err := w.Store.Commit(ctx, b)
	w.count(time.Since(began), err)
	if err == nil {
		w.pulse.last.Store(time.Now().UnixNano())
	}
	if errors.Is(err, store.ErrUnknown) {
		w.pulse.broken.Store(true)
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

// address is what a call to the public listener was made to, as its caller wrote
// it: what services sign. Behind a proxy only public_url can know.
func (h *Host) address(host []string, target string) string {
	if public := h.config.Settings.PublicURL; public != "" {
		return public + target
	}
	return "https://" + strings.Join(host, ",") + target
}

// Addr and AdminAddr are what the listeners are bound to.
func (h *Host) Addr() string      { return h.public.Addr().String() }
func (h *Host) AdminAddr() string { return h.admin.Addr().String() }

// changed hands a new snapshot to those who keep something made of it.
func (h *Host) changed(s *catalog.Snapshot) {
	h.guard.Update(s.Callers())
	h.gateway.Update(s)
	h.webhooks.Update(s)
	h.docs.Update(s)
	h.outbox.Keep(func(name string) bool {
		id, is := strings.CutPrefix(name, "subscription ")
		_, there := s.Subscriptions[id]
		return there || !is
	})
	h.outbox.Mended()
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

// Run serves until ctx ends, then stops in order: /readyz says so for a while
// (the setting drain_delay), then no new events are taken, then the requests
// and runs in progress end. Close is the caller's.
func (h *Host) Run(told context.Context) error {
	ctx, stop := context.WithCancelCause(context.WithoutCancel(told))
	defer stop(nil)
	var parts sync.WaitGroup
	part := func(name string, f func() error) {
		parts.Go(func() {
			if err := f(); err != nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	public := server.NewPublic(h.config.Log, server.Public{Gateway: h.gateway.Handle, Hook: h.channels.Hook, Docs: h.docs.File, Media: h.media.File, ClientIP: h.guard.IP, URL: h.address,
		Watch: server.Watch{Calls: h.calls, Tracer: h.tracer, Count: h.requested},
	})
	operators := server.NewAdmin(h.config.Log)
	admin.Mount(operators.App, admin.Config{
		Token: h.token, Store: h.store, Catalog: h.catalog, Plugins: h.plugins, Channels: h.channels, Runs: h.runs,
		Outbox: h.outbox, Alerts: h.alerts, Webhooks: h.webhooks, Poke: h.dispatch.Poke,
		Sessions: h.runs.Pinned, Held: h.runs.Held, Secret: h.secret, Failing: h.dispatch.Failing, Operations: h.operations, Apply: h.apply, Plan: h.plan, Ready: h.plugins.Scanned,
		Vault: h.vault, Guard: h.guard,
		Refused: func(c catalog.Connection) *abi.Error { return h.egress.Refused(c.Connection) },
		Backup:  func() io.ReadCloser { return backup.Stream(ctx, h.store, h.config.Settings.Data, h.config.Log) },
		Metrics: h.metrics.Handler(), Calls: h.calls, Health: h.Health, Alive: h.alive,
		Secrets: h.secrets, Env: h.config.Settings.Env, AuditFor: h.config.Settings.Audit.For(), Log: h.config.Log,
		SettingSecrets: h.settingSecrets(), SecretValues: h.secretValues,
		Pending: func() (source.Problems, []catalog.Change) {
			p := h.pending.Load()
			return p.problems, p.changes
		},
	})
	h.servers.public.Store(public)
	h.servers.admin.Store(operators)
	part("stop", func() error {
		select {
		case <-told.Done():
		case <-ctx.Done():
			return nil
		}
		h.leaving.Store(true)
		h.config.Log.Info("stopping: requests are taken for a while, and end their connections", "drain_delay", time.Duration(h.config.Settings.DrainDelay).String())
		public.Leave()
		delay := time.NewTimer(time.Duration(h.config.Settings.DrainDelay))
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
		h.config.Log.Info("stopping: nothing new is taken; requests and runs in progress may end", "within", grace.String())
		stop(nil)
		return nil
	})
	part("public listener", func() error { return public.Serve(ctx, h.public, grace) })
	served, end := context.WithCancel(context.Background()) // operators see how all else ends
	defer end()
	var operating sync.WaitGroup
	operating.Go(func() {
		if err := operators.Serve(served, h.admin, adminGrace); err != nil {
			stop(fmt.Errorf("admin listener: %w", err))
		}
	})
	scanned := make(chan struct{})
	part("dispatch", func() error {
		select { // what is due would only find that no plugin is there yet
		case <-scanned:
			return h.dispatch.Run(trace.With(ctx, h.tracer), grace)
		case <-ctx.Done():
			return nil
		}
	})
	part("outboxes", func() error { return h.outbox.Run(ctx) })
	part("access", func() error { return h.guard.Run(ctx) })
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
	if err := h.guard.Close(waiting); err != nil {
		h.config.Log.Error("access", "error", err)
	}
	end()
	operating.Wait()
	h.config.Log.Info("stopped", "requests_left", public.Active())
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
	h.outbox.Mended() // what a channel waited for may be there
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
	errs = append(errs, h.stopWatching())
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	return errors.Join(errs...)
}
