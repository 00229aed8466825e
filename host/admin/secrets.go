package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/secret"
)

// SecretInfo tells of a secret, never its value.
type SecretInfo struct {
	secret.Info
	// Users are what names it: objects as "<type>/<name>", and settings as
	// "setting/<name>".
	Users []string `json:"users"`
	// Missing says that objects name it, and nothing gives it a value.
	Missing bool `json:"missing,omitempty"`
}

// SecretValue is the body that sets a secret.
type SecretValue struct {
	Value string `json:"value"`
}

// veiled answers with what came from outside, in which a secret may have come
// back: it is taken out of all texts.
func (a api) veiled(c *fiber.Ctx, answer any) error {
	data, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	var hidden redact.Set
	for _, value := range a.SecretValues() {
		hidden.Hide(value)
	}
	c.Type("json")
	return c.Send(hidden.JSON(data))
}

// listSecrets lists the secrets that there are, and those that are asked for.
func (a api) listSecrets(c *fiber.Ctx) error {
	known, err := a.Secrets.List()
	if err != nil {
		return err
	}
	users, list := a.Catalog.Snapshot().SecretUsers(), []SecretInfo{}
	for name, by := range a.SettingSecrets {
		users[name] = append(users[name], by...)
	}
	for _, info := range known {
		list = append(list, SecretInfo{Info: info, Users: append([]string{}, users[info.Name]...)})
		delete(users, info.Name)
	}
	for name, by := range users {
		list = append(list, SecretInfo{Info: secret.Info{Name: name}, Users: by, Missing: true})
	}
	slices.SortFunc(list, func(a, b SecretInfo) int { return strings.Compare(a.Name, b.Name) })
	return c.JSON(list)
}

// putSecret sets a secret; the next use has it, and what waits for it goes now.
func (a api) putSecret(c *fiber.Ctx) error {
	var q SecretValue
	if strict(c, &q) != nil { // its words may quote the value
		return problem.New(400, "bad_json", `the body: want {"value": "..."}`)
	}
	name := strings.Clone(c.Params("name"))
	if err := a.Secrets.Set(name, q.Value, a.Now()); errors.Is(err, secret.ErrElsewhere) {
		return problem.New(409, "elsewhere", err.Error())
	} else if errors.Is(err, secret.ErrInvalid) {
		return problem.New(422, "invalid", err.Error())
	} else if err != nil {
		return err
	}
	a.Outbox.Mended()
	note(c, "secret/"+name)
	return c.JSON(Done{"set": true})
}

// removeSecret forgets a secret. Those who name it find it missing.
func (a api) removeSecret(c *fiber.Ctx) error {
	name := strings.Clone(c.Params("name"))
	if err := a.Secrets.Forget(name); errors.Is(err, secret.ErrElsewhere) {
		return problem.New(409, "elsewhere", err.Error())
	} else if errors.Is(err, secret.ErrMissing) {
		return problem.New(404, "no_secret", fmt.Sprintf("there is no secret %q", name))
	} else if err != nil {
		return err
	}
	note(c, "secret/"+name)
	return c.JSON(Done{"removed": true})
}
