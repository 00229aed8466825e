package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// ContactEdit is what an operator changes of a contact; what is left out stays.
type ContactEdit struct {
	Name     *string `json:"name,omitempty"`
	Language *string `json:"language,omitempty"` // BCP 47; empty: not known
	// Opt is "in", "out" or "unknown", of the address that the contact is named
	// by.
	Opt     string `json:"opt_in,omitempty"`
	Blocked *bool  `json:"blocked,omitempty"`
	// Also are further addresses, none of another contact that is known already:
	// those are merged.
	Also []contact.Key `json:"also,omitempty"`
	// AddTags and RemoveTags change tags; Vars sets variables, and removes those
	// that are null.
	AddTags    []string       `json:"add_tags,omitempty"`
	RemoveTags []string       `json:"remove_tags,omitempty"`
	Vars       map[string]any `json:"variables,omitempty"`
}

// ErrBadEdit: a contact can't be so.
var ErrBadEdit = errors.New("the contact can't be changed so")

// check says what is wrong with an edit.
func (e ContactEdit) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrBadEdit, fmt.Sprintf(format, args...))
	}
	if e.Name != nil && len(*e.Name) > contact.MaxName {
		return bad("the name has %d bytes: %d at most", len(*e.Name), contact.MaxName)
	}
	if e.Language != nil && *e.Language != "" {
		if _, err := contact.Language(*e.Language); err != nil {
			return bad("%v", err)
		}
	}
	if e.Opt != "" && e.Opt != contact.OptUnknown {
		if err := contact.CheckOpt(e.Opt); err != nil {
			return bad("%v, or %q", err, contact.OptUnknown)
		}
	}
	for _, tag := range e.AddTags {
		if tag == "" || len(tag) > contact.MaxTag {
			return bad("%.40q is not a tag: want a text of at most %d bytes", tag, contact.MaxTag)
		}
	}
	for name := range e.Vars {
		if slices.Contains(contact.Fields(), name) || name == "" || strings.ContainsAny(name, " .[]{}\"'\n") {
			return bad("%.40q is no name of a variable: it is the contact's own, or not letters, digits and _", name)
		}
	}
	return nil
}

// apply changes a contact.
func (e ContactEdit) apply(c *contact.Contact, at contact.Key, by string, r *Runner) error {
	if e.Name != nil {
		c.Name = *e.Name
	}
	if e.Language != nil {
		c.SetLanguage(*e.Language, by)
	}
	if e.Opt != "" {
		c.SetOpt(at, e.Opt, by, r.now())
	}
	if e.Blocked != nil {
		c.Block(*e.Blocked, by, r.now())
	}
	c.Tags = slices.DeleteFunc(slices.Clone(c.Tags), func(tag string) bool { return slices.Contains(e.RemoveTags, tag) })
	for _, tag := range e.AddTags {
		if !slices.Contains(c.Tags, tag) {
			c.Tags = append(c.Tags, tag)
		}
	}
	if len(c.Tags) > contact.MaxTags {
		return fmt.Errorf("%w: it would have %d tags, and %d are the limit", ErrBadEdit, len(c.Tags), contact.MaxTags)
	}
	for name, value := range e.Vars {
		if value == nil {
			delete(c.Vars, name)
			continue
		}
		if c.Vars == nil {
			c.Vars = map[string]any{}
		}
		c.Vars[name] = value
	}
	return nil
}

// EditContact changes what is known of the contact with an address, and makes
// the contact if it is not known; with dry nothing is changed. by says who does
// it. Errors: mail.ErrNoContact, ErrAway, ErrBadEdit, ErrWorking.
func (r *Runner) EditContact(ctx context.Context, at contact.Key, e ContactEdit, by string, dry bool) (c contact.Contact, made bool, err error) {
	if at, err = r.named(ctx, at); err != nil {
		return c, false, err
	}
	e.Also = slices.Clone(e.Also)
	for i, also := range e.Also {
		if e.Also[i], err = r.named(ctx, also); err != nil {
			return c, false, err
		}
	}
	if err := e.check(); err != nil {
		return c, false, err
	}
	for {
		key, err := Whose(ctx, r.config.Store, at)
		if err != nil {
			return c, false, err
		}
		c, made, err = r.editOnce(ctx, key, at, e, by, dry)
		if !errors.Is(err, store.ErrConflict) { // else it was merged meanwhile
			return c, made, err
		}
	}
}

func (r *Runner) editOnce(ctx context.Context, key, at contact.Key, e ContactEdit, by string, dry bool) (c contact.Contact, made bool, err error) {
	leave, err := r.pause(ctx, append([]contact.Key{key}, e.Also...)...)
	if err != nil {
		return c, false, err
	}
	defer leave()
	revision, found, err := document.Load(ctx, r.config.Store, contactID(key), &c)
	if err != nil {
		return c, false, err
	}
	if !found {
		channel, address, err := key.Split()
		if err != nil {
			return c, false, err
		}
		c = contact.Contact{Channel: channel, Address: address, FirstSeen: r.now()}
	}
	expr.Numbers(c.Vars)
	b := store.Batch{Expect: []store.Expect{{ID: contactID(key), Revision: revision}, {ID: aliasID(key)}}}
	if err := r.address(ctx, &b, &c, e.Also); err != nil {
		return c, false, err
	}
	if err := e.apply(&c, at, by, r); err != nil || dry {
		return c, !found, err
	}
	if err := document.Put(&b, contactID(key), c); err != nil {
		return c, false, err
	}
	_, err = r.config.Store.Commit(ctx, &b)
	return c, !found, err
}

// address adds to a batch that addresses of which nothing is known are a
// contact's.
func (r *Runner) address(ctx context.Context, b *store.Batch, c *contact.Contact, also []contact.Key) error {
	for _, at := range also {
		if c.Has(at) {
			continue
		}
		other, err := Whose(ctx, r.config.Store, at)
		if err != nil {
			return err
		}
		_, found, err := Person(ctx, r.config.Store, other)
		if err != nil {
			return err
		}
		if found || other != at {
			return fmt.Errorf("%w: %s is an address of the contact %s: merge them", ErrBadEdit, at, other)
		}
		if len(c.Also) >= contact.MaxAlso {
			return fmt.Errorf("%w: %w", ErrBadEdit, ErrTooMany)
		}
		c.Also = append(slices.Clip(c.Also), at)
		b.Expect = append(b.Expect, store.Expect{ID: contactID(at)}, store.Expect{ID: aliasID(at)})
		if err := document.Put(b, aliasID(at), alias{Key: c.Key()}); err != nil {
			return err
		}
	}
	return nil
}
