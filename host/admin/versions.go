package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// VersionInfo is a line of the list of a flow's versions.
type VersionInfo struct {
	catalog.Version
	// Sessions is how many began with the version, or may jump to it, and have
	// not ended.
	Sessions int `json:"sessions"`
}

// listVersions lists a flow's versions, oldest first.
func (a api) listVersions(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	versions, err := a.Catalog.Versions(c.UserContext(), id)
	if errors.Is(err, store.ErrNotFound) {
		return noFlow(id)
	}
	if err != nil {
		return err
	}
	sessions, err := a.Sessions(c.UserContext())
	if err != nil {
		return err
	}
	list := []VersionInfo{}
	for _, v := range versions {
		list = append(list, VersionInfo{v, sessions.Flows[id][v.Number]})
	}
	return c.JSON(list)
}

func noFlow(id string) error {
	return problem.New(404, "no_flow", fmt.Sprintf("there is no flow %q", id))
}

// VersionDetail is a version with its document, as it is stored.
type VersionDetail struct {
	ID string `json:"id"`
	catalog.Version
	Document json.RawMessage `json:"document"`
}

func (a api) showVersion(c *fiber.Ctx) error {
	number, err := versionNumber(c.Params("version"))
	if err != nil {
		return err
	}
	detail, err := a.version(c, number)
	if err != nil {
		return err
	}
	return c.JSON(detail)
}

// version loads a version of the flow that the path names.
func (a api) version(c *fiber.Ctx, number int) (VersionDetail, error) {
	id := strings.Clone(c.Params("id"))
	v, document, err := a.Catalog.Document(c.UserContext(), id, number)
	if errors.Is(err, store.ErrNotFound) {
		return VersionDetail{}, noVersion(id, number)
	}
	return VersionDetail{id, v, document}, err
}

func noVersion(id string, number int) error {
	return problem.New(404, "no_version", fmt.Sprintf("flow %q has no version %d: trama flow versions %s lists those that it has", id, number, id))
}

func versionNumber(text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, problem.New(400, "invalid", fmt.Sprintf("version %q: want a number from 1", strings.Clone(text)))
	}
	return number, nil
}

// DiffInfo is what differs between two versions of a flow.
type DiffInfo struct {
	ID          string               `json:"id"`
	From        int                  `json:"from"`
	To          int                  `json:"to"`
	Differences []catalog.Difference `json:"differences"`
}

// diff compares two versions. Query: from, by default the one before to; to,
// by default the current one.
func (a api) diff(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	versions, err := a.Catalog.Versions(c.UserContext(), id)
	if errors.Is(err, store.ErrNotFound) {
		return noFlow(id)
	}
	if err != nil {
		return err
	}
	to := slices.IndexFunc(versions, func(v catalog.Version) bool { return v.Current })
	if to < 0 { // the flow was removed
		to = len(versions) - 1
	}
	info := DiffInfo{ID: id, To: versions[to].Number}
	if text := c.Query("to"); text != "" {
		if info.To, err = versionNumber(text); err != nil {
			return err
		}
	}
	if text := c.Query("from"); text != "" {
		if info.From, err = versionNumber(text); err != nil {
			return err
		}
	}
	for _, v := range versions {
		if info.From == 0 && v.Number == info.To {
			return problem.New(404, "no_version", fmt.Sprintf("version %d is the first of flow %q: there is none before it to compare with", info.To, id))
		}
		if c.Query("from") == "" && v.Number < info.To {
			info.From = v.Number
		}
	}
	from, err := a.version(c, info.From)
	if err != nil {
		return err
	}
	after, err := a.version(c, info.To)
	if err != nil {
		return err
	}
	if info.Differences, err = catalog.Diff(from.Document, after.Document); err != nil {
		return err
	}
	return c.JSON(info)
}

// RollbackRequest names a version; 0, or no body: the version before.
type RollbackRequest struct {
	To int `json:"to,omitempty"`
}

// rollback makes another version of a flow current.
func (a api) rollback(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	var body RollbackRequest
	if data := c.Request().Body(); len(data) > 0 {
		if err := json.Unmarshal(data, &body); err != nil || body.To < 0 {
			return problem.New(400, "bad_json", `want {"to": number of a version}, or an empty body for the version before`)
		}
	}
	_, err := a.Catalog.Rollback(c.UserContext(), id, body.To)
	broken, isBroken := errors.AsType[*catalog.BrokenError](err)
	switch {
	case errors.Is(err, store.ErrNotFound) && a.Catalog.Snapshot().Origins["flow/"+id].Kind == "":
		return noFlow(id)
	case errors.Is(err, store.ErrNotFound):
		return noVersion(id, body.To)
	case errors.Is(err, catalog.ErrFirst):
		return problem.New(409, "first_version", fmt.Sprintf("flow %q: %v; trama flow versions %s lists all", id, err, id))
	case isBroken:
		return problem.New(422, "invalid", broken.Error())
	case err != nil:
		return err
	}
	return a.showFlow(c)
}

// publishFlows publishes flows, all of them or none. The body is an object of
// documents, YAML or JSON, by the name that mistakes are reported under.
func (a api) publishFlows(c *fiber.Ctx) error {
	var texts map[string]string
	if err := json.Unmarshal(c.Request().Body(), &texts); err != nil {
		return problem.New(400, "bad_json", fmt.Sprintf("want an object of documents by file name: %v", err))
	}
	var flows []*flow.Flow
	var problems source.Problems
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		f, err := flow.Parse(file, []byte(texts[file]))
		if found, ok := errors.AsType[source.Problems](err); ok {
			problems = append(problems, found...)
			continue
		}
		if err != nil {
			return err
		}
		found, _ := f.Check(a.Operations)
		problems = append(problems, found...)
		flows = append(flows, f)
	}
	problems = append(problems, flow.CheckCalls(flows, a.Catalog.Snapshot().Documents())...)
	if len(problems) > 0 {
		return invalid(problems)
	}
	changes, err := a.Catalog.PutFlows(c.UserContext(), flows)
	return a.changed(c, changes, err)
}
