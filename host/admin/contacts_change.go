package admin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
)

// refusedContact is how the errors of changing contacts are answered.
func refusedContact(err error) error {
	for _, of := range []struct {
		err    error
		status int
		code   string
	}{
		{mail.ErrNoContact, 422, "no_contact"}, {run.ErrAway, 409, "channel_away"}, {run.ErrBadEdit, 422, "invalid"}, {run.ErrSame, 409, "same_contact"},
		{run.ErrBothRun, 409, "both_run"}, {run.ErrTooMany, 409, "too_many_addresses"}, {run.ErrWorking, 409, "working"},
	} {
		if errors.Is(err, of.err) {
			return problem.New(of.status, of.code, err.Error())
		}
	}
	return err
}

// MergeRequest asks to make one contact of two.
type MergeRequest struct {
	Into contact.Key `json:"into"` // whose key and values stay
	From contact.Key `json:"from"`
	// Force cancels the run of From, if both have one.
	Force bool `json:"force,omitempty"`
}

func (a api) mergeContacts(c *fiber.Ctx) error {
	var q MergeRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	m, err := a.Runs.Merge(c.UserContext(), q.Into, q.From, q.Force)
	if err != nil {
		return refusedContact(err)
	}
	return c.JSON(m)
}

// byOperator is who changes a contact through this API.
const byOperator = "operator"

func (a api) editContact(c *fiber.Ctx) error {
	key, err := contactKey(c)
	if err != nil {
		return err
	}
	var e run.ContactEdit
	if err := strict(c, &e); err != nil {
		return err
	}
	known, _, err := a.Runs.EditContact(c.UserContext(), key, e, byOperator, false)
	if err != nil {
		return refusedContact(err)
	}
	return a.contactDetail(c, known)
}

func (a api) eraseContact(c *fiber.Ctx) error {
	typed, err := contactKey(c)
	if err != nil {
		return err
	}
	key, err := a.known(c, typed)
	if err != nil {
		return err
	}
	dry := c.QueryBool("dry_run")
	known, _, err := run.Person(c.UserContext(), a.Store, key)
	if err != nil {
		return err
	}
	// First: who asks again after a failure finds the contact still.
	entries, err := a.forget(c.UserContext(), append(known.Addresses(), key, typed), dry)
	if err != nil {
		return err
	}
	erased, err := a.Runs.Erase(c.UserContext(), key, a.Outbox, a.Calls, dry)
	if errors.Is(err, mail.ErrNoContact) {
		return problem.New(404, "no_contact", err.Error())
	}
	if err != nil {
		return refusedContact(err)
	}
	if entries > 0 {
		erased.Removed["names in the audit log"] = entries
	}
	erased.Remains = append(erased.Remains, "that somebody changed or erased a contact, in the audit log: not which, but for hashes of what was sent")
	return c.JSON(erased)
}

// maxImported is how many contacts one request changes.
const maxImported = 500

// ImportRequest is a page of contacts.
type ImportRequest struct {
	DryRun bool        `json:"dry_run,omitempty"`
	Rows   []ImportRow `json:"rows"`
}

// ImportRow is one contact.
type ImportRow struct {
	Line    int         `json:"line"` // of the file, as the answer names it
	Contact contact.Key `json:"contact"`
	run.ContactEdit
}

// Imported is what became of a row.
type Imported struct {
	Line    int         `json:"line"`
	Contact contact.Key `json:"contact"`
	Made    bool        `json:"made,omitempty"`  // it was not known
	Error   string      `json:"error,omitempty"` // nothing of the row was done
}

// importContacts changes contacts one by one. To repeat it changes nothing more.
func (a api) importContacts(c *fiber.Ctx) error {
	var q ImportRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	if len(q.Rows) > maxImported {
		return problem.New(400, "invalid", fmt.Sprintf("%d rows: send %d at most in one request", len(q.Rows), maxImported))
	}
	list := []Imported{}
	for _, row := range q.Rows {
		one := Imported{Line: row.Line, Contact: row.Contact}
		_, made, err := a.Runs.EditContact(c.UserContext(), row.Contact, row.ContactEdit, "import", q.DryRun)
		_, known := errors.AsType[*problem.Details](refusedContact(err))
		switch {
		case err == nil:
			one.Made = made
		case known:
			one.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
		default:
			return err
		}
		list = append(list, one)
	}
	return c.JSON(list)
}
