package catalog

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/trama-run/trama/host/source"
)

// Variable is a value that flows see as env.<name>, beside those of
// trama.yaml.
type Variable struct {
	At source.Place `json:"-"`
	ID string       `json:"name" source:"required"`
	// Value is any JSON.
	Value json.RawMessage `json:"value" source:"required"`
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// Name is the variable's.
func (v *Variable) Name() string         { return v.ID }
func (v *Variable) place() *source.Place { return &v.At }

// Check returns what is wrong with the variable.
func (v Variable) Check() source.Problems {
	if variablePattern.MatchString(v.ID) {
		return nil
	}
	return source.Problems{{Place: v.At, Message: fmt.Sprintf("variable %q", v.ID), Hint: "use 1 to 64 letters, digits and _, and no digit first: flows write env.NAME"}}
}
