package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/workspace"
)

// serveFlags override the settings of the workspace.
type serveFlags struct {
	addr, adminAddr, data, cache, logFormat string
}

func (p *program) serveCommand() *cobra.Command {
	var flags serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve a workspace",
		Long: `Serve the workspace in a directory until SIGINT or SIGTERM; a second signal
ends the process at once. Its files are read at the start and when they change.

Prints the addresses to stdout once both listeners are bound, and "ready" once
the plugins have been read (so does GET /readyz of the admin listener). The log
goes to stderr. Secrets are taken from TRAMA_SECRET_<NAME>, and from the
directory that the setting "secrets" of trama.yaml names.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.serve(c.Context(), flags) },
	}
	p.WorkspaceFlag(c)
	c.Flags().StringVar(&flags.addr, "addr", "", "public `address` (default "+workspace.DefaultAddr+")")
	c.Flags().StringVar(&flags.adminAddr, "admin-addr", "", "`address` of the admin API (default "+workspace.DefaultAdminAddr+")")
	c.Flags().StringVar(&flags.data, "data", "", "`directory` of the store (default data in the workspace)")
	c.Flags().StringVar(&flags.cache, "cache", "", "`directory` of compiled plugins (default cache in the data directory)")
	c.Flags().StringVar(&flags.logFormat, "log-format", "text", "text or json")
	return c
}

// spareHeap is how much more than what lives there may be on the heap before it is
// collected. A host that does little holds little, and would be collected many
// times a second under load, each time at the price of what is in the caches.
const spareHeap = 64 << 20

// spare gives memory that is never touched, so that the system has none to give
// for it, and that the collector counts as living. Who limits the process's
// memory (GOMEMLIMIT) wants it collected by that.
func spare() []byte {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return nil
	}
	return make([]byte, spareHeap)
}

func (p *program) serve(ctx context.Context, flags serveFlags) (err error) {
	log, err := newLog(p.Stderr, flags.logFormat)
	if err != nil {
		return err
	}
	dir := filepath.Clean(p.Workspace)
	settings, err := workspace.ReadSettings(dir)
	if err != nil {
		return err
	}
	flags.override(&settings)

	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a signal ends the process at once

	command, err := local.Compiler()
	if err != nil {
		return err
	}
	h, err := host.New(ctx, host.Config{
		Workspace: dir, Settings: settings, Environ: p.Environ, Bundled: p.Bundled, Compiler: command, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	p.announce(h, settings, filepath.Join(settings.Data, admin.TokenFile))
	go p.announceReady(ctx, h, log)
	if err := h.Run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// newLog returns the process's log.
func newLog(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, cli.Usage(fmt.Sprintf("--log-format %q: want text or json", format))
}

// override puts what the command line says over the settings.
func (f serveFlags) override(s *workspace.Settings) {
	set := func(into *string, value string) {
		if value != "" {
			*into = value
		}
	}
	set(&s.Addr, f.addr)
	set(&s.AdminAddr, f.adminAddr)
	if f.data != "" {
		if s.Cache == filepath.Join(s.Data, "cache") { // the cache stays within the data
			s.Cache = filepath.Join(f.data, "cache")
		}
		s.Data = f.data
	}
	set(&s.Cache, f.cache)
}

// announce says where the host listens.
func (p *program) announce(h *host.Host, s workspace.Settings, tokenFile string) {
	at := func(addr string, t workspace.TLS) string {
		if t != (workspace.TLS{}) {
			return "https://" + cli.Reachable(addr)
		}
		return "http://" + cli.Reachable(addr)
	}
	public, operators := at(h.Addr(), s.TLS), at(h.AdminAddr(), s.AdminTLS)
	if p.JSON {
		line, _ := json.Marshal(map[string]string{"public": public, "admin": operators, "token_file": tokenFile}) // text always marshals
		fmt.Fprintf(p.Stdout, "%s\n", line)
		return
	}
	fmt.Fprintf(p.Stdout, "trama: public %s\n", public)
	fmt.Fprintf(p.Stdout, "trama: admin %s (token in %s)\n", operators, tokenFile)
}

// announceReady says once that new work is taken, as /readyz does; and then to
// the service manager, that and when the process stops.
func (p *program) announceReady(ctx context.Context, h *host.Host, log *slog.Logger) {
	for !h.Health(ctx).Ready() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	defer runtime.KeepAlive(spare())
	if p.JSON {
		fmt.Fprintln(p.Stdout, `{"ready":true}`)
	} else {
		fmt.Fprintln(p.Stdout, "trama: ready")
	}
	for _, state := range []string{"READY=1", "STOPPING=1"} {
		if err := p.notify(state); err != nil {
			log.Error("the service manager does not know how the process is", "error", err)
		}
		if state == "READY=1" {
			<-ctx.Done()
		}
	}
}
