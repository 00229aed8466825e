// Package admin is the operators' API, under /v1 on the admin listener: what
// is configured, what ran, what is held and why. Every request carries the
// bearer token that the first start wrote to a file of mode 0600. The CLI is
// its first client. Beside it, /healthz, /readyz and /metrics need no token.
//
// It must not do the work itself: it shows and changes what other rooms own.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"github.com/trama-run/trama/host/alert"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
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
	// Poke wakes the dispatcher.
	Poke func()
	// Sessions counts the sessions by what they are pinned to. It reads all of
	// them.
	Sessions func(ctx context.Context) (run.Counts, error)
	// Held says why a flow can't run now.
	Held func(f catalog.Flow) *abi.Error
	// Operations looks up what plugins offer, to check flows against.
	Operations flow.Operations
	// Apply applies the files of a workspace, and confirms wider grants.
	Apply func(ctx context.Context, files workspace.Files) ([]catalog.Change, error)
	// Pending returns what the workspace directory's last reading left out:
	// mistakes in its files, and changes that wait to be confirmed.
	Pending func() (source.Problems, []catalog.Change)
	// Secret says why a secret can't be opened; nil: it can.
	Secret func(name string) error
	// Failing lists the keys whose work fails.
	Failing func() []dispatch.Failure
	// Backup streams a backup. The reader is closed.
	Backup func() io.ReadCloser
	// Metrics answers Prometheus.
	Metrics http.Handler
	// Ready says whether the host has read its plugins once.
	Ready func() bool
}

// api holds the handlers.
type api struct{ Config }

// Mount adds the API to the admin listener's app.
func Mount(app *fiber.App, config Config) {
	a := api{config}
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	app.Get("/readyz", a.ready)
	app.Get("/metrics", adaptor.HTTPHandler(config.Metrics))
	v1 := app.Group("/v1", a.authenticate)
	v1.Get("/flows", a.listFlows)
	v1.Get("/flows/:id", a.showFlow)
	v1.Put("/flows/:id", a.putFlow)
	v1.Post("/flows", a.publishFlows)
	v1.Get("/flows/:id/versions", a.listVersions)
	v1.Get("/flows/:id/versions/:version", a.showVersion)
	v1.Get("/flows/:id/diff", a.diff)
	v1.Post("/flows/:id/rollback", a.rollback)
	v1.Post("/flows/:id/migrate", a.migrateFlow)
	v1.Get("/plugins", a.listPlugins)
	v1.Get("/plugins/:name", a.showPlugin)
	v1.Get("/grants", a.listGrants)
	v1.Put("/grants/:plugin", a.putGrant)
	v1.Delete("/grants/:plugin", a.removeGrant)
	v1.Get("/runs", a.listRuns)
	v1.Get("/runs/:id", a.showRun)
	v1.Post("/runs/:id/retry", a.retryRun)
	v1.Post("/runs/:id/cancel", a.cancelRun)
	v1.Post("/activations", a.activate)
	v1.Post("/events/:name", a.emit)
	v1.Get("/schedules", a.listSchedules)
	v1.Get("/contacts", a.listContacts)
	v1.Get("/contacts/+", a.showContact)
	v1.Put("/contacts/+", a.putContact)
	v1.Get("/dead-letters", a.listDead)
	v1.Post("/dead-letters/replay", a.replayAll)
	v1.Get("/dead-letters/:id", a.showDead)
	v1.Post("/dead-letters/:id/replay", a.replay)
	v1.Delete("/dead-letters/:id", a.giveUp)
	v1.Get("/outbox", a.listOutbox)
	v1.Get("/outbox/endpoints", a.listEndpoints)
	v1.Post("/outbox/cancel", a.cancel)
	v1.Get("/doctor", a.doctor)
	v1.Get("/backup", a.backup)
	v1.Post("/apply", a.apply)
	app.Use(func(c *fiber.Ctx) error {
		return problem.New(404, "no_path", "there is nothing at this path: the API is under /v1/")
	})
}

// ready answers 503 until every plugin directory was read, or while the store
// takes no new work.
func (a api) ready(c *fiber.Ctx) error {
	if !a.Ready() {
		return problem.Busy("starting", "the plugin directories are being read", 1e9)
	}
	if err := a.Store.Space(); err != nil {
		return problem.Busy("no_space", err.Error(), 30e9)
	}
	return c.SendString("ready\n")
}

// authenticate compares the bearer token in constant time.
func (a api) authenticate(c *fiber.Ctx) error {
	given, ok := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(a.Token)) != 1 {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
		return problem.New(401, "token", "send the admin token: Authorization: Bearer <token>; it is in the file admin.token of the data directory")
	}
	return c.Next()
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
