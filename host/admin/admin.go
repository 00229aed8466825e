// Package admin is the operators' API, under /v1 on the admin listener: what
// is configured, what ran, what is held and why. Every request carries a
// bearer token, which has a role: the first start wrote one of an admin to a
// file of mode 0600, and the API makes others. What changes something is in
// the audit log. The CLI is the API's first client. Beside it, /healthz, /readyz and /metrics need no token.
//
// It must not do the work itself: it shows and changes what other rooms own.
package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/alert"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/webhook"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

// Config names what the API shows and changes.
type Config struct {
	Token    string
	Store    store.Store
	Catalog  *catalog.Catalog
	Plugins  *plugin.Registry
	Channels *channel.Channels
	Runs     *run.Runner
	Outbox   *outbox.Outbox
	Alerts   *alert.Alerts
	Webhooks *webhook.Webhooks
	Calls    *calllog.Log // nil: it is off
	// Poke wakes the dispatcher.
	Poke func()
	// Sessions counts the sessions by what they are pinned to. It reads all of
	// them.
	Sessions func(ctx context.Context) (run.Counts, error)
	// Held says why a flow can't run now.
	Held func(f catalog.Flow) *abi.Error
	// Refused says why a connection's token endpoint gives it none; nil: it does,
	// or was not asked.
	Refused func(c catalog.Connection) *abi.Error
	// Operations looks up what plugins offer, to check flows against.
	Operations flow.Operations
	// Apply applies the files of a workspace, and confirms wider grants.
	Apply func(ctx context.Context, files workspace.Files) ([]catalog.Change, error)
	// Pending returns what the workspace directory's last reading left out:
	// mistakes in its files, and changes that wait to be confirmed.
	Pending func() (source.Problems, []catalog.Change)
	// Plan tells what Apply would do.
	Plan func(ctx context.Context, files workspace.Files) ([]catalog.Change, error)
	// Secrets are the host's, for all but their values.
	Secrets *secret.Source
	// Vault takes the secrets that clients sign with; Guard counts their calls,
	// and the wrong credentials that come to the public listener.
	Vault *secret.Vault
	Guard *access.Guard
	// Env are the variables of the settings.
	Env map[string]any
	// AuditFor is how long the audit log is kept; 0: DefaultAuditFor.
	AuditFor time.Duration
	// SecretValues are the secrets that no answer may have, wherever they came
	// back from.
	SecretValues func() []string
	// Secret says why a secret can't be opened; nil: it can.
	Secret func(name string) error
	// SettingSecrets are the secrets that the settings name, each with the
	// settings that do, as "setting/<name>".
	SettingSecrets map[string][]string
	// Failing lists the keys whose work fails.
	Failing func() []dispatch.Failure
	// Backup streams a backup. The reader is closed.
	Backup func() io.ReadCloser
	// Metrics answers Prometheus.
	Metrics http.Handler
	// Ready says whether the host has read its plugins once.
	Ready func() bool
	// Health says whether the host takes new work; Alive, why only a new
	// process can help.
	Health func(ctx context.Context) Health
	Alive  func() error
	// Now is the clock; nil: the system's.
	Now func() time.Time
	Log *slog.Logger // nil: none
}

// api holds the handlers.
type api struct {
	Config
	used      *used
	strangers *strangers
	refused   *refusals
	guesses   *access.Guesses // of tokens
}

// Mount adds the API to the admin listener's app.
func Mount(app *fiber.App, config Config) {
	a := newAPI(config)
	a.mount(app, a.endpoints())
}

func newAPI(config Config) api {
	config.AuditFor = cmp.Or(config.AuditFor, DefaultAuditFor)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return api{config, &used{last: map[string]time.Time{}}, &strangers{}, &refusals{}, access.NewGuesses(config.Now, config.Log)}
}

// mount adds the endpoints of a table to an app, for those who may.
func (a api) mount(app *fiber.App, table []endpoint) {
	app.Get("/healthz", a.alive)
	app.Get("/readyz", a.ready)
	app.Get("/metrics", adaptor.HTTPHandler(a.Metrics))
	v1 := app.Group("/v1", a.authenticate)
	for _, e := range table {
		method, path := e.route()
		e.handle = e.checked()
		v1.Add(method, path, a.allow(e))
	}
	v1.Use(otherMethod(table))
	app.Use(func(c *fiber.Ctx) error {
		return problem.New(404, "no_path", "there is nothing at this path: the API is under /v1/")
	})
}

// TokenFile is the name of the token's file in the data directory.
const TokenFile = "admin.token"

// Token reads the admin token of a data directory, and makes it at the first
// start.
func Token(data string) (string, error) {
	path := filepath.Join(data, TokenFile)
	text, err := readPrivate(path)
	if err == nil {
		if token := strings.TrimSpace(string(text)); len(token) >= 32 {
			return token, nil
		}
		return "", fmt.Errorf("admin token %s: too short: remove the file to have a new one made", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("admin token: %w", err)
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails (crypto/rand)
	token := hex.EncodeToString(random)
	if err := writePrivate(path, []byte(token+"\n")); err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	return token, nil
}

// readPrivate reads a file that no one but its owner may read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o): chmod 600 %s, or remove the file to have a new token made if others may have read it", path, mode, path)
	}
	return io.ReadAll(f)
}

// writePrivate writes a file of mode 0600, whole or not at all: a start that
// was cut short leaves no half token behind.
func writePrivate(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".token-*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
