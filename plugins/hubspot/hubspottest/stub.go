// Package hubspottest is a stub of HubSpot's API, for tests and examples: a
// strict server of the parts of the contract that the connector uses, which
// keeps records, so that what is written is read. It is no HubSpot: how long a
// search's index lags, and all that an account's settings change, it leaves out.
package hubspottest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/trama-run/trama/plugins/strict"
)

// Tokens that the stub knows. All others are wrong.
const (
	Token        = "pat-na1-invented-for-tests"
	TokenExpired = "expired-invented-for-tests"
	TokenNarrow  = "narrow-invented-for-tests" // has no scope
)

// Stub is a server of one account.
type Stub struct {
	*strict.Stub

	mu      sync.Mutex
	records []*record // in the order of their making
	links   []link
	next    int64
	// completed are the callbacks of custom actions, by their ids.
	completed map[string]map[string]string
}

type record struct {
	id         int64
	kind       string
	properties map[string]string
	archived   bool
}

type link struct {
	from, to int64
	toKind   string
	category string
	kind     int
}

// First is the id of the account's first contact, which is beyond 2^53; the one
// after it is the first company's.
const First = 9007199254740993

// New gives an account with a contact, ana@acme.example, and a company.
func New() (*Stub, error) {
	s := &Stub{next: First, completed: map[string]map[string]string{}}
	var err error
	if s.Stub, err = strict.New(s.contract()); err != nil {
		return nil, err
	}
	s.add("contacts", map[string]string{"email": "ana@acme.example", "firstname": "Ana"})
	s.add("companies", map[string]string{"name": "Acme", "domain": "acme.example"})
	return s, nil
}

// admit looks at the token.
func admit(r *strict.Request) (strict.Answer, bool) {
	switch strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") {
	case Token:
		return strict.Answer{}, true
	case TokenExpired:
		return failed(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 2 hour(s) ago.", nil), false
	case TokenNarrow:
		return failed(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.", map[string]any{
			"errors": []any{map[string]any{"message": "One or more of the following scopes are required.", "context": map[string]any{"requiredGranularScopes": []string{"crm.objects.contacts.read"}}}},
		}), false
	}
	return failed(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.", nil), false
}

// Completed gives the output fields that a custom action was completed with.
func (s *Stub) Completed(callback string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completed[callback]
}

// kinds are other names of types of record.
var kinds = map[string]string{"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets", "0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-5": "tickets"}

func kindOf(name string) string { return cmp.Or(kinds[name], name) }

func (s *Stub) add(kind string, properties map[string]string) *record {
	r := &record{id: s.next, kind: kindOf(kind), properties: map[string]string{}}
	s.next++
	r.set(properties)
	s.records = append(s.records, r)
	return r
}

func (r *record) set(properties map[string]string) {
	for name, value := range properties {
		if value == "" {
			delete(r.properties, name)
		} else {
			r.properties[name] = value
		}
	}
}

// find looks for a record by its id or a property.
func (s *Stub) find(kind, property, value string) *record {
	for _, r := range s.records {
		if r.kind != kindOf(kind) || r.archived {
			continue
		}
		if property == "" || property == "hs_object_id" {
			if strconv.FormatInt(r.id, 10) == value {
				return r
			}
		} else if strings.EqualFold(r.properties[property], value) && value != "" {
			return r
		}
	}
	return nil
}

// show is a record as the API gives it.
func (s *Stub) show(r *record, wanted []string) map[string]any {
	properties := map[string]any{"hs_object_id": strconv.FormatInt(r.id, 10), "createdate": "2026-03-01T12:00:00.000Z", "lastmodifieddate": "2026-03-01T12:00:00.000Z"}
	if wanted == nil {
		for name, value := range r.properties {
			properties[name] = value
		}
	}
	for _, name := range wanted {
		if value, ok := r.properties[name]; ok {
			properties[name] = value
		} else if properties[name] == nil {
			properties[name] = nil
		}
	}
	return map[string]any{
		"id": strconv.FormatInt(r.id, 10), "properties": properties, "archived": r.archived,
		"createdAt": "2026-03-01T12:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z",
		"url": fmt.Sprintf("https://app.hubspot.com/contacts/102670506/record/0-1/%d", r.id),
	}
}

// refusal checks what an account would refuse: properties that it hasn't, an
// address that is none, and a second record with a unique value.
func (s *Stub) refusal(kind string, properties map[string]string, own *record) (strict.Answer, bool) {
	for name := range properties {
		if strings.HasPrefix(name, "no_such") {
			message := fmt.Sprintf("Property %q does not exist", name)
			return failed(400, "VALIDATION_ERROR", fmt.Sprintf("Property values were not valid: [{\"isValid\":false,\"message\":%q,\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":%q,\"localizedErrorMessage\":%q}]", message, name, message), map[string]any{
				"errors": []any{map[string]any{"message": message, "code": "PROPERTY_DOESNT_EXIST", "context": map[string]any{"propertyName": []string{name}}}},
			}), true
		}
	}
	email, ok := properties["email"]
	if !ok || kindOf(kind) != "contacts" || email == "" {
		return strict.Answer{}, false
	}
	if !strings.Contains(email, "@") {
		message := "Email address " + email + " is invalid"
		return failed(400, "VALIDATION_ERROR", fmt.Sprintf("Property values were not valid: [{\"isValid\":false,\"message\":%q,\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]", message), nil), true
	}
	if other := s.find(kind, "email", email); other != nil && other != own {
		return failed(409, "CONFLICT", fmt.Sprintf("Contact already exists. Existing ID: %d", other.id), nil), true
	}
	return strict.Answer{}, false
}

func notFound() strict.Answer {
	return failed(404, "OBJECT_NOT_FOUND", "Object not found.  objectId are usually numeric.", nil)
}

// namesIn takes "a,b" of a query apart; nil if it isn't there.
func namesIn(values []string) (all []string) {
	for _, value := range values {
		all = append(all, strings.Split(value, ",")...)
	}
	return all
}

// paged gives one page of items, and where it goes on.
func paged(items []any, after string, size int) map[string]any {
	from, _ := strconv.Atoi(after)
	from = min(from, len(items))
	until := min(from+size, len(items))
	out := map[string]any{"results": append([]any{}, items[from:until]...)}
	if until < len(items) {
		out["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(until), "link": "?after=" + strconv.Itoa(until)}}
	}
	return out
}

func sizeOf(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}
