package catalog

import (
	"maps"
	"slices"
)

// secretUser is an object that names secrets.
type secretUser interface {
	// SecretNames lists the names of the secrets that the object needs; ""
	// counts as none.
	SecretNames() []string
}

// SecretNames lists the secrets of the channel's adapter.
func (c *Channel) SecretNames() (names []string) {
	for _, which := range slices.Sorted(maps.Keys(c.Secrets)) {
		names = append(names, c.Secrets[which]...)
	}
	return names
}

// SecretNames lists those of the connection's authentication.
func (c *Connection) SecretNames() []string { return c.Auth.Secrets() }

// SecretNames lists those that the plugin may place or sign with.
func (g *Grant) SecretNames() []string { return slices.Concat(g.Secrets, g.Keys) }

// SecretNames lists what an alert's posts are signed with.
func (a *Alert) SecretNames() []string {
	if a.Webhook == nil {
		return nil
	}
	return []string{a.Webhook.Secret}
}

// SecretNames lists what deliveries are signed with, and what headers and the
// ways to tokens name.
func (s *Subscription) SecretNames() []string {
	names := slices.Clone(s.Secrets)
	placed := func(text string) {
		for _, placeholder := range Placeholders(text) {
			if name, is := SecretIn(placeholder); is {
				names = append(names, name)
			}
		}
	}
	each := func(headers map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			placed(headers[name])
		}
	}
	each(s.Headers)
	for _, name := range slices.Sorted(maps.Keys(s.Tokens)) {
		t := s.Tokens[name]
		if t.OAuth2 != nil {
			names = append(names, t.OAuth2.Secret)
		}
		if t.HTTP != nil {
			each(t.HTTP.Headers)
			EachText(t.HTTP.Body, placed)
		}
	}
	return names
}

// SecretNames lists what the route's tokens are checked with.
func (r *Route) SecretNames() []string { return r.Security.Secrets() }

// SecretNames lists what the tokens of all routes are checked with.
func (g *Gateway) SecretNames() []string { return g.Security.Secrets() }

// uses takes down which secrets an object names.
func (s *Snapshot) uses(object string, names []string) {
	for _, name := range names {
		if name != "" && !slices.Contains(s.secretUsers[name], object) {
			s.secretUsers[name] = append(s.secretUsers[name], object)
		}
	}
}

// SecretUsers gives the objects, as "<type>/<name>", that name each secret. It
// is the caller's.
func (s *Snapshot) SecretUsers() map[string][]string {
	users := map[string][]string{}
	for name, objects := range s.secretUsers {
		users[name] = slices.Clone(objects)
	}
	return users
}
