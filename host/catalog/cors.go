package catalog

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// CORS says which pages of other origins may call a route from a browser.
type CORS struct {
	// Origins are such as https://app.example.com, https://*.example.com, or *
	// for all.
	Origins []string `json:"origins" source:"required"`
	// Methods are those of the path's routes if empty.
	Methods []string `json:"methods,omitempty"`
	// Headers are those that a page may send beside content-type and others
	// that the gateway itself reads; * for all.
	Headers []string `json:"headers,omitempty"`
	// Expose are headers of the answer that a page may read, beside the few
	// that it always may and those of the gateway.
	Expose []string `json:"expose,omitempty"`
	// Credentials lets pages send cookies and other credentials of the browser.
	Credentials bool `json:"credentials,omitempty"`
	// MaxAge is how long a browser may remember what it was told; 10 minutes
	// if not set.
	MaxAge grant.Duration `json:"max_age,omitzero"`
}

// MaxCORSAge is the longest CORS.MaxAge.
const MaxCORSAge = 24 * time.Hour

var headerPattern = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")

// check returns what is wrong with the settings.
func (c CORS) check(place source.Place) (problems source.Problems) {
	add := func(hint, format string, args ...any) { problems.Add(place, hint, "cors: "+format, args...) }
	if len(c.Origins) == 0 {
		add("name the origins of the pages, such as https://app.example.com, or leave cors out", "no origin may call")
	}
	for _, origin := range c.Origins {
		if origin == "*" {
			if c.Credentials {
				add("name the origins, or leave credentials out", "any page could act as the person who looks at it: origins * with credentials is refused")
			}
			continue
		}
		host := strings.Replace(origin, "://*.", "://", 1)
		u, err := url.Parse(host)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != host || strings.Contains(host, "*") || origin != strings.ToLower(origin) {
			add("write it as browsers do, such as https://app.example.com or https://*.example.com: no path, lower case", "origin %q", origin)
		}
	}
	for _, m := range c.Methods {
		if !slices.Contains(methods, m) && m != "HEAD" {
			add("use "+strings.Join(methods, ", ")+", HEAD", "method %q", m)
		}
	}
	for _, h := range slices.Concat(c.Headers, c.Expose) {
		if !headerPattern.MatchString(h) {
			add("write a header's name, such as X-Total", "header %q", h)
		}
	}
	if c.Credentials && slices.Contains(slices.Concat(c.Headers, c.Expose), "*") {
		add("name the headers", "browsers take * for no header where credentials are sent")
	}
	if c.MaxAge > grant.Duration(MaxCORSAge) {
		add("write a shorter one", "max_age %s is over the bound of %s", c.MaxAge, MaxCORSAge)
	}
	return problems
}

// Allows says whether a page of an origin, as its browser sends it, may call.
func (c *CORS) Allows(origin string) bool {
	for _, o := range c.Origins {
		before, after, wild := strings.Cut(o, "*")
		switch {
		case o == "*" || o == origin:
			return true
		case wild && len(origin) > len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after):
			sub := origin[len(before) : len(origin)-len(after)]
			if !strings.ContainsAny(sub, "/:@") {
				return true
			}
		}
	}
	return false
}
