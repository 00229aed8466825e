package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/problem"
)

// HeaderMore is the header of a page of contacts behind which there may be
// others: the key to go on after. A search looks at a bounded number of
// contacts, and a page has a bounded size, so it may be short, or empty, and
// have it.
//
// Pages are read one after the other, and contacts change in between. Who is a
// contact all the while is on one of them; who is erased may be. Of two that
// become one, either both are listed or, if the one that stays came before, the
// other is not: merged_since lists the ones that stay.
const HeaderMore = "Trama-More"

// contactPage is how many contacts are read at once.
const contactPage = 100

// maxListed is about how many bytes of variables a page has; one contact is on
// it whatever its size.
const maxListed = 4 << 20

// search is what a search for contacts asks for.
type search struct {
	person, prefix, tag, language, opt, name, value string
	attended, blocked                               bool
	since, until, merged                            time.Time
}

// searchOf reads the query.
func searchOf(c *fiber.Ctx) (s search, err error) {
	s = search{
		person: strings.ToLower(c.Query("person")), prefix: c.Query("prefix"), tag: c.Query("tag"), language: strings.ToLower(c.Query("language")),
		opt: c.Query("opt_in"), attended: c.QueryBool("with_human"), blocked: c.QueryBool("blocked"),
	}
	if s.opt != "" && s.opt != contact.OptUnknown {
		if err := contact.CheckOpt(s.opt); err != nil {
			return s, problem.New(400, "invalid", fmt.Sprintf("opt_in: %v, or %q", err, contact.OptUnknown))
		}
	}
	if text := c.Query("variable"); text != "" {
		var ok bool
		if s.name, s.value, ok = strings.Cut(text, "="); !ok {
			return s, problem.New(400, "invalid", fmt.Sprintf("variable: %q: want name=value", text))
		}
	}
	if s.since, err = instant(c, "seen_since"); err != nil {
		return s, err
	}
	if s.until, err = instant(c, "seen_until"); err != nil {
		return s, err
	}
	s.merged, err = instant(c, "merged_since")
	return s, err
}

// has says whether a contact is one that is looked for.
func (s search) has(c contact.Contact) bool {
	address := func(is func(contact.Key) bool) bool { return slices.ContainsFunc(c.Addresses(), is) }
	return (!s.attended || c.WithHuman) && (!s.blocked || c.Blocked != nil) &&
		(s.person == "" || strings.Contains(strings.ToLower(c.Name), s.person)) &&
		(s.tag == "" || slices.Contains(c.Tags, s.tag)) &&
		(s.language == "" || strings.HasPrefix(strings.ToLower(c.Language)+"-", s.language+"-")) &&
		(s.prefix == "" || address(func(at contact.Key) bool { return strings.HasPrefix(string(at), s.prefix) })) &&
		(s.opt == "" || address(func(at contact.Key) bool { return c.OptOf(at) == s.opt })) &&
		(s.name == "" || s.hasVariable(c)) &&
		!c.LastSeen.Before(s.since) && (s.until.IsZero() || c.LastSeen.Before(s.until)) &&
		!c.Merged.Before(s.merged)
}

func (s search) hasVariable(c contact.Contact) bool {
	value, has := c.Vars[s.name]
	return has && fmt.Sprint(value) == s.value
}

// listContacts lists the contacts that a query looks for, in the order of their
// keys.
func (a api) listContacts(c *fiber.Ctx) error {
	s, err := searchOf(c)
	if err != nil {
		return err
	}
	limit, list, after := c.QueryInt("limit", defaultLimit), []ContactInfo{}, strings.Clone(c.Query("after"))
	full, size := c.QueryBool("variables"), 0
	for scanned := 0; scanned < maxScanned; {
		found, err := a.Runs.Contacts(c.UserContext(), after, contactPage)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return c.JSON(list)
		}
		for _, one := range found {
			if len(list) == limit || size >= maxListed {
				c.Set(HeaderMore, after)
				return c.JSON(list)
			}
			if s.has(one) {
				info := contactInfo(one)
				if !full {
					info.Variables = nil
				} else if data, err := json.Marshal(info.Variables); err != nil {
					return fmt.Errorf("contact %s: %w", one.Key(), err)
				} else {
					size += len(data)
				}
				list = append(list, info)
			}
			after = string(one.Key())
		}
		scanned += len(found)
	}
	c.Set(HeaderMore, after)
	return c.JSON(list)
}
