package workspace

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// Media are the settings of media in messages.
type Media struct {
	Max  grant.Size `json:"max,omitzero"`   // of one medium; 0: 32MiB
	Days int        `json:"days,omitempty"` // that one is kept; 0: two weeks
	// URLFor is how long an address of a medium serves it; 0: an hour.
	URLFor flow.Duration `json:"url_for,omitempty"`
}

// Keep gives how long a medium is kept; 0: the default.
func (m Media) Keep() time.Duration { return time.Duration(m.Days) * 24 * time.Hour }

// checkPublic says what is wrong with the settings of the public address and
// of what is served there.
func (s *Settings) checkPublic() (problems source.Problems) {
	wrong := func(message, hint string) {
		problems = append(problems, source.Problem{Place: s.At, Message: message, Hint: hint})
	}
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			wrong("public_url: it is not the address of a server", `public_url: https://bots.example.com, as services reach it; a path may follow if a proxy takes it off`)
		}
		s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	}
	if top := grant.Ceiling().Blob; s.Media.Max < 0 || s.Media.Max > top {
		wrong(fmt.Sprintf("media: max: %s is not from 1B to %s", s.Media.Max, top), "media: {max: 32MiB}")
	}
	if s.Media.Days < 0 || s.Media.Days > 3650 {
		wrong(fmt.Sprintf("media: days: %d is not from 1 to 3650", s.Media.Days), "media: {days: 14}")
	}
	return problems
}
