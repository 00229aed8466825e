package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/workspace"
)

// FlowInfo is a line of the list of flows.
type FlowInfo struct {
	ID      string         `json:"id"`
	Title   string         `json:"title,omitempty"`
	Version int            `json:"version"`
	Origin  catalog.Origin `json:"origin"`
	// RolledBack is set if the version is not the last one published.
	RolledBack *catalog.Rollback `json:"rolled_back,omitempty"`
	Held       string            `json:"held,omitempty"`
}

func (a api) listFlows(c *fiber.Ctx) error {
	s := a.Catalog.Snapshot()
	list := []FlowInfo{}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		list = append(list, a.info(s.Flows[id]))
	}
	return c.JSON(list)
}

func (a api) info(f catalog.Flow) FlowInfo {
	info := FlowInfo{ID: f.Flow.ID, Title: f.Flow.Title, Version: f.Version, Origin: f.Origin, RolledBack: f.Rolled}
	if held := a.Held(f); held != nil {
		info.Held = held.Message
	}
	return info
}

// FlowDetail is a flow with its document.
type FlowDetail struct {
	FlowInfo
	Document *flow.Flow `json:"document"`
}

func (a api) showFlow(c *fiber.Ctx) error {
	f, ok := a.Catalog.Snapshot().Flows[c.Params("id")]
	if !ok {
		return noFlow(c.Params("id"))
	}
	return c.JSON(FlowDetail{a.info(f), f.Flow})
}

// putFlow publishes a version of a flow; the body is its document, YAML or
// JSON.
func (a api) putFlow(c *fiber.Ctx) error {
	f, err := flow.Parse("flow", append([]byte(nil), c.Request().Body()...))
	if err != nil {
		return invalid(err)
	}
	if f.ID != c.Params("id") {
		return problem.New(422, "invalid", fmt.Sprintf("the document's id is %q, the path's %q", f.ID, c.Params("id")))
	}
	problems, _ := f.Check(a.Operations)
	problems = append(problems, flow.CheckCalls([]*flow.Flow{f}, a.Catalog.Snapshot().Documents())...)
	if len(problems) > 0 {
		return invalid(problems)
	}
	changes, err := a.Catalog.PutFlow(c.UserContext(), f)
	return a.changed(c, changes, err)
}

// invalid is the problem of a document with mistakes, one line each.
func invalid(err error) error {
	return problem.New(422, "invalid", err.Error())
}

// changed answers with what a change did.
func (a api) changed(c *fiber.Ctx, changes []catalog.Change, err error) error {
	if owned, ok := errors.AsType[*catalog.FileError](err); ok {
		return problem.New(409, "owned_by_file", owned.Error())
	}
	if problems, ok := errors.AsType[source.Problems](err); ok {
		return invalid(problems)
	}
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(404, "not_found", "there is no such object")
	}
	if err != nil {
		return err
	}
	if changes == nil {
		changes = []catalog.Change{}
	}
	return c.JSON(changes)
}

// count counts the sessions of plugins' contents now: whether one may be
// revoked depends on it.
func (a api) count(c *fiber.Ctx) (map[string]int, error) {
	sessions, err := a.Sessions(c.UserContext())
	if err == nil {
		a.Plugins.Counted(sessions.Plugins)
	}
	return sessions.Plugins, err
}

func (a api) listPlugins(c *fiber.Ctx) error {
	if _, err := a.count(c); err != nil {
		return err
	}
	list := a.Plugins.List()
	if list == nil {
		list = []plugin.Status{}
	}
	return c.JSON(list)
}

// showPlugin shows the file that a name belongs to or, if there is none, one
// that has the name and can't be used.
func (a api) showPlugin(c *fiber.Ctx) error {
	if _, err := a.count(c); err != nil {
		return err
	}
	var named []plugin.Status
	for _, s := range a.Plugins.List() {
		if s.Name == c.Params("name") {
			named = append(named, s)
		}
	}
	if i := slices.IndexFunc(named, func(s plugin.Status) bool { return s.State != plugin.StateBroken && s.State != plugin.StateRetired }); i >= 0 {
		return c.JSON(named[i])
	}
	if len(named) > 0 {
		return c.JSON(named[0])
	}
	return problem.New(404, "no_plugin", fmt.Sprintf("there is no plugin %q in the plugin directories", c.Params("name")))
}

// GrantInfo is a grant with its origin.
type GrantInfo struct {
	grant.Grant
	Origin catalog.Origin `json:"origin"`
	// Sessions is how many began with what the grant is of, and have not ended.
	Sessions int `json:"sessions"`
}

func (a api) listGrants(c *fiber.Ctx) error {
	sessions, err := a.count(c)
	if err != nil {
		return err
	}
	s := a.Catalog.Snapshot()
	list := []GrantInfo{}
	for _, g := range s.Grants {
		info := GrantInfo{g.Grant, s.Origins["grant/"+g.Name()], sessions[strings.TrimPrefix(g.Of, "sha256:")]}
		if g.Of == grant.OfBundled {
			for _, p := range a.Plugins.List() {
				if p.Name == g.Plugin && p.Bundled {
					info.Sessions += sessions[p.Digest]
				}
			}
		}
		list = append(list, info)
	}
	return c.JSON(list)
}

// putGrant stores a grant; the body is one entry of grants.yaml.
func (a api) putGrant(c *fiber.Ctx) error {
	var g catalog.Grant
	if problems := source.Decode("grant", append([]byte(nil), c.Request().Body()...), &g); len(problems) > 0 {
		return invalid(problems)
	}
	if g.Plugin != c.Params("plugin") {
		return problem.New(422, "invalid", fmt.Sprintf("the grant is for plugin %q, the path names %q", g.Plugin, c.Params("plugin")))
	}
	if problems := g.Check(); len(problems) > 0 {
		return invalid(problems)
	}
	changes, err := a.Catalog.PutGrant(c.UserContext(), g)
	return a.changed(c, changes, err)
}

// removeGrant removes the grant of a plugin for the content in the query
// parameter "of".
func (a api) removeGrant(c *fiber.Ctx) error {
	var g catalog.Grant
	g.Plugin, g.Of = strings.Clone(c.Params("plugin")), strings.Clone(c.Query("of"))
	changes, err := a.Catalog.RemoveGrant(c.UserContext(), g)
	return a.changed(c, changes, err)
}

// apply applies the files of a workspace: the body is an object of contents
// by path.
func (a api) apply(c *fiber.Ctx) error {
	var texts map[string]string
	if err := json.Unmarshal(c.Request().Body(), &texts); err != nil {
		return problem.New(400, "bad_json", fmt.Sprintf("want an object of file contents by path: %v", err))
	}
	files := workspace.Files{}
	for name, text := range texts {
		files[strings.Clone(name)] = []byte(text)
	}
	changes, err := a.Apply(c.UserContext(), files)
	return a.changed(c, changes, err)
}
