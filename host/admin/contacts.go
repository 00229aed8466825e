package admin

import (
	"errors"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
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
	// Also are its other addresses; Opts say of each whether it may be written
	// to of our own accord, where that is known.
	Also     []contact.Key               `json:"also,omitempty"`
	Language string                      `json:"language,omitempty"`
	Opts     map[contact.Key]contact.Opt `json:"opts,omitempty"`
	Blocked  *contact.Block              `json:"blocked,omitempty"`
	// Merged is when another contact was merged into it last; absent if none was.
	Merged time.Time `json:"merged,omitzero"`
	// Variables are in a list only if it is asked for with them.
	Variables map[string]any `json:"variables,omitempty"`
}

func contactInfo(c contact.Contact) ContactInfo {
	return ContactInfo{c.Key(), c.Name, c.FirstSeen, c.LastSeen, c.Tags, c.WithHuman, len(c.Later), c.Also, c.Language, c.Opts, c.Blocked, c.Merged, c.Vars}
}

// ContactDetail is a contact with its variables and where its session stands.
type ContactDetail struct {
	ContactInfo
	Session *run.Standing `json:"session,omitempty"`
}

// contactKey is the key in the path, where it may be escaped.
func contactKey(c *fiber.Ctx) (contact.Key, error) {
	text, err := nameOf(c)
	if err != nil {
		return "", err
	}
	key := contact.Key(text)
	if _, _, err := key.Split(); err != nil {
		return "", problem.New(400, "invalid", err.Error())
	}
	return key, nil
}

// known gives the key of a contact that is to be there, however it was typed.
func (a api) known(c *fiber.Ctx, typed contact.Key) (contact.Key, error) {
	key, err := a.Runs.Known(c.UserContext(), typed)
	if errors.Is(err, mail.ErrNoContact) {
		return "", problem.New(404, "no_contact", err.Error())
	}
	if err != nil {
		return "", refusedContact(err)
	}
	return key, nil
}

func (a api) showContact(c *fiber.Ctx) error {
	key, err := contactKey(c)
	if err != nil {
		return err
	}
	if key, err = a.known(c, key); err != nil {
		return err
	}
	known, found, err := run.Person(c.UserContext(), a.Store, key)
	if err == nil && !found {
		return problem.New(404, "no_contact", fmt.Sprintf("there is no contact %q: it has not written, and no flow was started for it", key))
	}
	if err != nil {
		return err
	}
	return a.contactDetail(c, known)
}

func (a api) contactDetail(c *fiber.Ctx, known contact.Contact) (err error) {
	detail := ContactDetail{ContactInfo: contactInfo(known)}
	if detail.Session, err = a.Runs.Standing(c.UserContext(), known.Key()); err != nil {
		return err
	}
	return a.veiled(c, detail)
}

// Attending says whether a person attends to a contact.
type Attending struct {
	WithHuman *bool `json:"with_human"`
}

// putContact changes who attends to a contact.
func (a api) putContact(c *fiber.Ctx) error {
	key, err := contactKey(c)
	if err != nil {
		return err
	}
	var q Attending
	if err := strict(c, &q); err != nil {
		return err
	}
	if q.WithHuman == nil {
		return problem.New(400, "bad_json", `want {"with_human": true} or false`)
	}
	err = a.Runs.SetWithHuman(c.UserContext(), string(key), *q.WithHuman)
	if err != nil {
		return refusedContact(err)
	}
	return c.Status(fiber.StatusAccepted).JSON(q)
}
