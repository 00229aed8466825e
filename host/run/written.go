package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run/mail"
)

// ErrAway: the plugin of a channel is not there, so that nobody knows how its
// addresses are written; nothing was done.
var ErrAway = errors.New("how the channel's addresses are written is not known now")

// written gives the key of a contact that somebody names as its channel writes
// it, so that what is said of +55 11 9... holds for who writes as 55119...; or
// says why there can be no such contact.
func (r *Runner) written(who string) (contact.Key, error) {
	if err := mail.Check(r.config.Catalog().Snapshot(), who); err != nil {
		return "", err
	}
	channel, address, err := contact.Key(who).Split()
	if err != nil || r.config.Addresses == nil {
		return contact.Key(who), err
	}
	if r.config.Able != nil {
		if away := r.config.Able(channel).Away; away != nil {
			return "", fmt.Errorf("%w: %q: channel %s: %s", ErrAway, who, channel, away.Message)
		}
	}
	if address, err = contact.Written(r.config.Addresses(channel), address); err != nil {
		return "", fmt.Errorf("%w: channel %s: %w", mail.ErrNoContact, channel, err)
	}
	return contact.KeyOf(channel, address), nil
}

// Known gives the key of a contact that somebody asks for: as it is, if the
// contact is known so, else as its channel writes it. Errors: mail.ErrNoContact,
// ErrAway.
func (r *Runner) Known(ctx context.Context, who contact.Key) (contact.Key, error) {
	if _, found, err := Person(ctx, r.config.Store, who); err != nil || found {
		return who, err
	}
	return r.written(string(who))
}

// named is written for a contact that may be known by another key, of before its
// adapter said how addresses are written.
func (r *Runner) named(ctx context.Context, who contact.Key) (contact.Key, error) {
	key, bad := r.written(string(who))
	if bad == nil {
		return key, nil
	}
	if _, found, err := Person(ctx, r.config.Store, who); err != nil || !found {
		return "", bad
	}
	return who, mail.Check(r.config.Catalog().Snapshot(), string(who))
}
