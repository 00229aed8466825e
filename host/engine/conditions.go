package engine

import (
	"fmt"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) conditional(c *flow.Conditional) (string, *abi.Error) {
	scope := m.scope()
	for i := range c.Branches {
		b := &c.Branches[i]
		var holds bool
		var err *abi.Error
		switch {
		case b.When.Expression != nil:
			holds, err = when(b, scope)
		case len(b.All) > 0:
			holds, err = tests(b.Port, b.All, false, scope)
			holds = !holds
		default:
			holds, err = tests(b.Port, b.Any, true, scope)
		}
		if err != nil {
			return "", err
		}
		if holds {
			return b.Port, nil
		}
	}
	return flow.PortElse, nil
}

// when says whether a branch's expression is true; null is false.
func when(b *flow.Branch, scope map[string]any) (bool, *abi.Error) {
	v, err := b.When.Eval(scope)
	if err != nil {
		return false, failed(err)
	}
	holds, ok := v.(bool)
	if !ok && v != nil {
		return false, invalid("branch %q: the condition %q must be true or false; compare it, as in input.total > 0", b.Port, b.When.String())
	}
	return holds, nil
}

// tests says whether one of the tests gives an answer. Those behind it are not
// looked at.
func tests(port string, list []flow.Test, answer bool, scope map[string]any) (bool, *abi.Error) {
	for i := range list {
		t := &list[i]
		v, err := t.Value.Expand(scope)
		if err != nil {
			return false, failed(err)
		}
		test := t.Fixed
		if test == nil {
			to, err := t.To.Expand(scope)
			if err != nil {
				return false, failed(err)
			}
			if test, err = t.Against(to); err != nil {
				return false, invalid("branch %q, test %d: to of %s does not fit: %v", port, i+1, t.Op, err)
			}
		}
		holds, err := test(v)
		if err != nil {
			return false, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("branch %q, test %d: %v", port, i+1, err)}
		}
		if (holds != t.Not) == answer {
			return true, nil
		}
	}
	return false, nil
}
