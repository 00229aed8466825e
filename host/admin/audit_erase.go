package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/store"
)

// unnamed stands in a path where a contact was named that is erased.
const unnamed = "…"

// forget takes the addresses of a contact out of the audit log, and says of how
// many entries; with dry it only counts. What was done, when and by whom stays.
func (a api) forget(ctx context.Context, addresses []contact.Key, dry bool) (entries int, err error) {
	for after := ""; ; {
		records, err := a.Store.List(ctx, kindAudit, after, maxLimit, false)
		if err != nil || len(records) == 0 {
			return entries, err
		}
		for _, r := range records {
			after = r.ID.Key
			var e AuditEntry
			if err := json.Unmarshal(r.Value, &e); err != nil {
				return entries, fmt.Errorf("audit entry %s: %w", r.ID.Key, err)
			}
			path := withoutContact(e.Path, addresses)
			if path == e.Path {
				continue
			}
			entries++
			if e.Path = path; dry {
				continue
			}
			data, err := json.Marshal(e)
			if err != nil {
				return entries, err
			}
			// It ends when it would have ended.
			left := max(a.AuditFor-a.Now().Sub(e.At), 1)
			_, err = a.Store.Commit(ctx, &store.Batch{Expect: []store.Expect{{ID: r.ID, Revision: r.Revision}}, Put: []store.Put{{ID: r.ID, Value: data, TTL: left}}})
			if errors.Is(err, store.ErrConflict) { // it has just got its outcome
				return a.forget(ctx, addresses, dry)
			}
			if err != nil {
				return entries, err
			}
		}
	}
}

// withoutContact is a path with its query without what names one of some
// contacts: a segment, or a value of the query that has the key in it.
func withoutContact(path string, addresses []contact.Key) string {
	path, query, asked := strings.Cut(path, "?")
	if name, is := strings.CutPrefix(path, contactsPath); is {
		if key, err := url.PathUnescape(name); err != nil || slices.Contains(addresses, contact.Key(key)) {
			path = contactsPath + unnamed
		}
	}
	if !asked {
		return path
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		text, err := url.QueryUnescape(value)
		if err != nil || slices.ContainsFunc(addresses, func(at contact.Key) bool { return strings.Contains(text, string(at)) }) {
			pairs[i] = name + "=" + unnamed
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}
