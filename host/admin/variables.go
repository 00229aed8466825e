package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
)

// settingsFile is where the variables of the settings are.
const settingsFile = "trama.yaml"

// VariableValue is the body that sets a variable: any JSON.
type VariableValue struct {
	Value json.RawMessage `json:"value"`
}

// listVariables lists what flows see as env.
func (a api) listVariables(c *fiber.Ctx) error {
	list, err := a.variables()
	if err != nil {
		return err
	}
	return c.JSON(list)
}

// variables gives those of the settings and, where these have none of the
// name, those of the API.
func (a api) variables() ([]ObjectInfo, error) {
	all := map[string]ObjectInfo{}
	for _, o := range a.Catalog.Objects("variable") {
		var v catalog.Variable
		if err := json.Unmarshal(o.Value, &v); err != nil {
			return nil, fmt.Errorf("variable %s: %w", o.Name, err)
		}
		all[o.Name] = ObjectInfo{Name: o.Name, Origin: o.Origin, Value: v.Value}
	}
	for name, value := range a.Env {
		data, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		all[name] = ObjectInfo{Name: name, Origin: catalog.Origin{Kind: "file", File: settingsFile}, Value: data}
	}
	list := []ObjectInfo{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}

func (a api) showVariable(c *fiber.Ctx) error {
	list, err := a.variables()
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.Name == c.Params("name") {
			return c.JSON(v)
		}
	}
	return problem.New(404, "not_found", fmt.Sprintf("there is no variable %q", c.Params("name")))
}

// ofSettings refuses to change a variable of the settings.
func (a api) ofSettings(name string) error {
	if _, owned := a.Env[name]; owned {
		return problem.New(409, "owned_by_file", fmt.Sprintf("variable/%s comes from %s: change it there", name, settingsFile))
	}
	return nil
}

// putVariable sets a variable: flows see it from their next step on.
func (a api) putVariable(c *fiber.Ctx) error {
	var q VariableValue
	if err := strict(c, &q); err != nil {
		return err
	}
	v := catalog.Variable{ID: strings.Clone(c.Params("name")), Value: q.Value}
	if len(v.Value) == 0 {
		return problem.New(400, "bad_json", `want {"value": any JSON}`)
	}
	if err := a.ofSettings(v.ID); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	kind, _ := catalog.KindOf("variable")
	changes, err := a.Catalog.Put(c.UserContext(), kind, v.ID, data)
	return a.changed(c, changes, err)
}

func (a api) removeVariable(c *fiber.Ctx) error {
	name := strings.Clone(c.Params("name"))
	if err := a.ofSettings(name); err != nil {
		return err
	}
	changes, err := a.Catalog.Remove(c.UserContext(), "variable", name)
	return a.changed(c, changes, err)
}
