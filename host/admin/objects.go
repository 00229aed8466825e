package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
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

// removeFlow removes a flow that was published through the API. Its versions
// stay, for the sessions that began with them and those who look back.
func (a api) removeFlow(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	changes, err := a.Catalog.Remove(c.UserContext(), "flow", id)
	if errors.Is(err, store.ErrNotFound) {
		return noFlow(id)
	}
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
	noteChanges(c, changes)
	return c.JSON(changes)
}

// noteChanges says what changed, for the audit log.
func noteChanges(c *fiber.Ctx, changes []catalog.Change) {
	made := auditChanges(changes)
	for _, change := range made {
		note(c, change.Object)
	}
	c.Locals(localChanges, made)
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
		signer, signed := g.Signer()
		for _, p := range a.Plugins.List() {
			if p.Name == g.Plugin && (g.Of == grant.OfBundled && p.Bundled || signed && p.Signature.Signer == signer) {
				info.Sessions += sessions[p.Digest]
			}
		}
		list = append(list, info)
	}
	return c.JSON(list)
}

// ObjectInfo is an object of any kind but flows, as it was given.
type ObjectInfo = catalog.Object

// objects are the endpoints of one kind: a list, and one object by name; of a
// kind that has one object, this alone.
func (a api) objects(k catalog.Kind) []endpoint {
	if k.Single {
		return a.document(k)
	}
	path, put := "/"+k.Type+"s", func(c *fiber.Ctx, name string) error {
		changes, err := a.Catalog.Put(c.UserContext(), k, name, append([]byte(nil), c.Request().Body()...))
		if err != nil && name != "" {
			note(c, k.Type+"/"+name)
		}
		return a.changed(c, changes, err)
	}
	return []endpoint{
		{do: "GET " + path, title: "List the " + k.Type + "s", gives: []ObjectInfo{}, handle: func(c *fiber.Ctx) (err error) {
			list := a.Catalog.Objects(k.Type)
			for i := range list {
				if list[i], err = shown(c, k.Type, list[i]); err != nil {
					return err
				}
			}
			return c.JSON(list)
		}},
		{do: "POST " + path, title: "Create or replace a " + k.Type, takes: k.Document, gives: []catalog.Change{},
			handle: func(c *fiber.Ctx) error { return put(c, "") }},
		{do: "GET " + path + "/+name", title: "Show a " + k.Type, gives: ObjectInfo{}, handle: named(func(c *fiber.Ctx, name string) error {
			for _, o := range a.Catalog.Objects(k.Type) {
				if o.Name == name {
					o, err := shown(c, k.Type, o)
					if err != nil {
						return err
					}
					return c.JSON(o)
				}
			}
			return problem.New(404, "not_found", fmt.Sprintf("there is no %s %q", k.Type, name))
		})},
		{do: "PUT " + path + "/+name", title: "Create or replace the " + k.Type + " of this name", takes: k.Document, gives: []catalog.Change{}, handle: named(put)},
		{do: "DELETE " + path + "/+name", title: "Remove a " + k.Type, gives: []catalog.Change{}, handle: named(func(c *fiber.Ctx, name string) error {
			changes, err := a.Catalog.Remove(c.UserContext(), k.Type, name)
			if err != nil {
				note(c, k.Type+"/"+name)
			}
			return a.changed(c, changes, err)
		})},
	}
}

// document are the endpoints of a kind that has one object, of the type's name.
func (a api) document(k catalog.Kind) []endpoint {
	path := "/" + k.Type
	return []endpoint{
		{do: "GET " + path, title: "Show the " + k.Type + "'s document", gives: ObjectInfo{}, handle: func(c *fiber.Ctx) error {
			for _, o := range a.Catalog.Objects(k.Type) {
				return c.JSON(o)
			}
			return problem.New(404, "not_found", fmt.Sprintf("there is no %s document", k.Type))
		}},
		{do: "PUT " + path, title: "Create or replace the " + k.Type + "'s document", takes: k.Document, gives: []catalog.Change{}, handle: func(c *fiber.Ctx) error {
			changes, err := a.Catalog.Put(c.UserContext(), k, k.Type, append([]byte(nil), c.Request().Body()...))
			return a.changed(c, changes, err)
		}},
		{do: "DELETE " + path, title: "Remove the " + k.Type + "'s document", gives: []catalog.Change{}, handle: func(c *fiber.Ctx) error {
			changes, err := a.Catalog.Remove(c.UserContext(), k.Type, k.Type)
			return a.changed(c, changes, err)
		}},
	}
}

// named gives a handler the name that ends the path.
func named(handle func(c *fiber.Ctx, name string) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := nameOf(c)
		if err != nil {
			return err
		}
		return handle(c, name)
	}
}

// nameOf gives the name that ends a path; it may hold slashes and spaces, and
// is escaped where it holds what a path can't.
func nameOf(c *fiber.Ctx) (string, error) {
	name, err := url.PathUnescape(strings.Clone(c.Params("+")))
	if err != nil {
		return "", problem.New(400, "bad_path", "the name in the path: "+err.Error())
	}
	return name, nil
}

// putGrant stores a grant; the body is one entry of grants.yaml.
func (a api) putGrant(c *fiber.Ctx) error {
	var g catalog.Grant
	body := append([]byte(nil), c.Request().Body()...)
	if problems := source.Decode("grant", body, &g); len(problems) > 0 {
		return invalid(problems)
	}
	if g.Plugin != c.Params("plugin") {
		return problem.New(422, "invalid", fmt.Sprintf("the grant is for plugin %q, the path names %q", g.Plugin, c.Params("plugin")))
	}
	grants, _ := catalog.KindOf("grant")
	changes, err := a.Catalog.Put(c.UserContext(), grants, g.Name(), body)
	return a.changed(c, changes, err)
}

// removeGrant removes the grant of a plugin for the content in the query
// parameter "of".
func (a api) removeGrant(c *fiber.Ctx) error {
	var g catalog.Grant
	g.Plugin, g.Of = strings.Clone(c.Params("plugin")), strings.Clone(c.Query("of"))
	changes, err := a.Catalog.Remove(c.UserContext(), "grant", g.Name())
	return a.changed(c, changes, err)
}

// apply applies the files of a workspace: the body is an object of contents
// by path.
func (a api) apply(c *fiber.Ctx) error {
	files, err := filesOf(c)
	if err != nil {
		return err
	}
	changes, err := a.Apply(c.UserContext(), files)
	return a.changed(c, changes, err)
}

// plan tells what apply would do.
func (a api) plan(c *fiber.Ctx) error {
	files, err := filesOf(c)
	if err != nil {
		return err
	}
	changes, err := a.Plan(c.UserContext(), files)
	if who, _ := c.Locals(localCaller).(caller); !who.role.Includes(catalog.RoleAdmin) {
		for i, change := range changes {
			if typ, _, _ := strings.Cut(change.Object, "/"); len(literal(typ)) > 0 {
				changes[i].Differences = nil
			}
		}
	}
	return a.changed(c, changes, err)
}

// filesOf reads the files of a workspace from a body.
func filesOf(c *fiber.Ctx) (workspace.Files, error) {
	var texts map[string]string
	if err := json.Unmarshal(c.Request().Body(), &texts); err != nil {
		return nil, problem.New(400, "bad_json", fmt.Sprintf("want an object of file contents by path: %v", err))
	}
	files := workspace.Files{}
	for name, text := range texts {
		files[strings.Clone(name)] = []byte(text)
	}
	return files, nil
}

// hidden stands for what only an admin is shown.
const hidden = "[hidden]"

// literal are the types of objects in which people may have written
// credentials out, and the members that they are in.
func literal(typ string) []string {
	if typ == "subscription" {
		return []string{"headers", "body", "params"}
	}
	return nil
}

// shown is an object as the caller may see it.
func shown(c *fiber.Ctx, typ string, o ObjectInfo) (ObjectInfo, error) {
	who, _ := c.Locals(localCaller).(caller)
	members := literal(typ)
	if len(members) == 0 || who.role.Includes(catalog.RoleAdmin) {
		return o, nil
	}
	var value any
	if err := json.Unmarshal(o.Value, &value); err != nil {
		return o, fmt.Errorf("%s %s: %w", typ, o.Name, err)
	}
	data, err := json.Marshal(without(value, members, false))
	o.Value = data
	return o, err
}

// without hides the texts in the members of these names, wherever they are, and
// the queries of URLs.
func without(value any, members []string, within bool) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if text, is := v[name].(string); is && !within && (name == "url" || name == "token_url") {
				v[name] = withoutCredentials(text)
				continue
			}
			v[name] = without(v[name], members, within || slices.Contains(members, name))
		}
	case []any:
		for i := range v {
			v[i] = without(v[i], members, within)
		}
	case string:
		if within {
			return hidden
		}
	}
	return value
}

// withoutCredentials gives where a URL leads; one with a user in it is no
// subscription's.
func withoutCredentials(text string) string {
	base, _, query := strings.Cut(text, "?")
	if query {
		base += "?" + hidden
	}
	return base
}
