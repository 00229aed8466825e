package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// ContactInfo is a line of the list of contacts.
type ContactInfo struct {
	Key       contact.Key `json:"key"`
	Name      string      `json:"name,omitempty"`
	FirstSeen time.Time   `json:"first_seen"`
	// LastSeen is when the contact wrote last; absent if it never has.
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Tags      []string  `json:"tags,omitempty"`
	WithHuman bool      `json:"with_human"`
	Waiting   int       `json:"waiting"` // flows that wait for the present run to end
}

func contactInfo(c contact.Contact) ContactInfo {
	return ContactInfo{c.Key(), c.Name, c.FirstSeen, c.LastSeen, c.Tags, c.WithHuman, len(c.Later)}
}

// ContactDetail is a contact with its variables and where its session stands.
type ContactDetail struct {
	ContactInfo
	Variables map[string]any `json:"variables,omitempty"`
	Session   *run.Standing  `json:"session,omitempty"`
}

// listContacts lists contacts in the order of their keys. Query: limit, after
// (a key), with_human (true).
func (a api) listContacts(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", defaultLimit)
	if limit < 1 || limit > maxLimit {
		return problem.New(400, "invalid", fmt.Sprintf("limit: want 1 to %d", maxLimit))
	}
	attended, list := c.QueryBool("with_human"), []ContactInfo{}
	after := strings.Clone(c.Query("after"))
	for scanned := 0; len(list) < limit && scanned < maxScanned; {
		found, err := a.Runs.Contacts(c.UserContext(), after, limit)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			break
		}
		for _, one := range found {
			if (!attended || one.WithHuman) && len(list) < limit {
				list = append(list, contactInfo(one))
			}
			after = string(one.Key())
		}
		scanned += len(found)
	}
	return c.JSON(list)
}

// contactKey is the key in the path, where it may be escaped.
func contactKey(c *fiber.Ctx) (contact.Key, error) {
	text, err := url.PathUnescape(strings.Clone(c.Params("+")))
	if err != nil {
		return "", problem.New(400, "invalid", "the contact in the path: "+err.Error())
	}
	key := contact.Key(text)
	if _, _, err := key.Split(); err != nil {
		return "", problem.New(400, "invalid", err.Error())
	}
	return key, nil
}

func (a api) showContact(c *fiber.Ctx) error {
	key, err := contactKey(c)
	if err != nil {
		return err
	}
	record, err := a.Store.Load(c.UserContext(), store.ID{Kind: run.KindContact, Key: string(key)})
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(404, "no_contact", fmt.Sprintf("there is no contact %q: it has not written, and no flow was started for it", key))
	}
	if err != nil {
		return err
	}
	var known contact.Contact
	if err := json.Unmarshal(record.Value, &known); err != nil {
		return fmt.Errorf("contact %s: %w", key, err)
	}
	detail := ContactDetail{ContactInfo: contactInfo(known), Variables: known.Vars}
	if detail.Session, err = a.Runs.Standing(c.UserContext(), key); err != nil {
		return err
	}
	return c.JSON(detail)
}

// putContact changes who attends to a contact; the body is {"with_human":
// true} or false.
func (a api) putContact(c *fiber.Ctx) error {
	key, err := contactKey(c)
	if err != nil {
		return err
	}
	var q struct {
		WithHuman *bool `json:"with_human"`
	}
	if err := strict(c, &q); err != nil {
		return err
	}
	if q.WithHuman == nil {
		return problem.New(400, "bad_json", `want {"with_human": true} or false`)
	}
	err = a.Runs.SetWithHuman(c.UserContext(), string(key), *q.WithHuman)
	if errors.Is(err, run.ErrNoContact) {
		return problem.New(422, "no_contact", err.Error())
	}
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(map[string]bool{"with_human": *q.WithHuman})
}
