package value

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Bounds of patterns. A match takes time in proportion to the text and to the
// size of the pattern.
const (
	maxPattern = 1000      // bytes
	maxWork    = 3_000_000 // bytes of text times instructions: about 30 ms
)

// Pattern is a regular expression (RE2).
type Pattern struct {
	*regexp.Regexp
	size int
}

// NewPattern compiles a pattern.
func NewPattern(text string) (*Pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, over the limit of %d", len(text), maxPattern)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("bad pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("bad pattern: %w", err)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("bad pattern: %w", err)
	}
	return &Pattern{re, len(program.Inst)}, nil
}

// Find gives the first group of the first match, or the match if there is no
// group; ok is false if nothing matches. Its error is a limit.
func (p *Pattern) Find(s string) (found string, ok bool, err error) {
	if work := (len(s) + 1) * p.size; work > maxWork {
		return "", false, fmt.Errorf("the pattern and the text are too big together: %d steps, over the limit of %d; test a part of the text, or write a simpler pattern", work, maxWork)
	}
	groups := p.FindStringSubmatch(s)
	if groups == nil {
		return "", false, nil
	}
	return groups[min(1, len(groups)-1)], true, nil
}
