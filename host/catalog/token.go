package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/source"
)

// Role is what a token may do with the operators' API; each may all that the
// one before it may.
type Role string

// Roles, the least first.
const (
	RoleViewer   Role = "viewer"   // sees what there is, and no secret
	RoleOperator Role = "operator" // also works on runs, contacts, messages and dead letters
	RoleAdmin    Role = "admin"    // also configures: objects, grants, secrets, tokens
)

// Roles are all there are, the least first.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// Includes says whether a role may what another may. One that is unknown may
// nothing.
func (r Role) Includes(other Role) bool {
	have, want := slices.Index(Roles(), r), slices.Index(Roles(), other)
	return have >= 0 && want >= 0 && have >= want
}

// Token lets its bearer use the operators' API. The value is shown once, when
// it is made: only its hash is kept.
type Token struct {
	At   source.Place `json:"-"`
	ID   string       `json:"id" source:"required"`
	Role Role         `json:"role" source:"required"`
	// Hash is the SHA-256 of the value, in hexadecimal; Hint its last
	// characters, so that people can tell which one they have.
	Hash    string    `json:"hash" source:"required"`
	Hint    string    `json:"hint" source:"required"`
	Created time.Time `json:"created" source:"required"`
	// Expires is when it ends; the zero time: never.
	Expires time.Time `json:"expires,omitzero"`
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Name is the token's id.
func (t *Token) Name() string         { return t.ID }
func (t *Token) place() *source.Place { return &t.At }

// Check returns what is wrong with the token.
func (t Token) Check() source.Problems {
	problems := checkID(t.At, "token", t.ID)
	if !slices.Contains(Roles(), t.Role) {
		var names []string
		for _, r := range Roles() {
			names = append(names, string(r))
		}
		problems = append(problems, source.Problem{Place: t.At, Message: fmt.Sprintf("token %q: role %q", t.ID, t.Role), Hint: "use " + strings.Join(names, ", ")})
	}
	if !hashPattern.MatchString(t.Hash) {
		problems = append(problems, source.Problem{Place: t.At, Message: fmt.Sprintf("token %q: its hash is not a SHA-256 in hexadecimal", t.ID)})
	}
	return problems
}
