package store

import (
	"fmt"
	"strings"
)

// Check returns how many bytes the values of a batch have together, or how it
// breaks a rule or a limit that every engine has: ErrInvalid, ErrTooBig.
func (b *Batch) Check() (size int, err error) {
	c := checker{}
	changes := len(b.Expect) + len(b.Put) + len(b.Delete) + len(b.Append) + len(b.Remove) + len(b.Wake)
	if changes > MaxChanges {
		return 0, fmt.Errorf("%w: %d changes, the limit is %d", ErrTooBig, changes, MaxChanges)
	}
	if b.Tx != "" {
		c.name("tx", b.Tx)
	}
	for _, e := range b.Expect {
		c.id(e.ID)
	}
	changed := make(map[ID]bool, len(b.Put)+len(b.Delete))
	for _, p := range b.Put {
		c.id(p.ID)
		c.value(p.Value)
		if p.TTL < 0 {
			c.fail("%w: put %s %q: the TTL %s is negative", ErrInvalid, p.ID.Kind, p.ID.Key, p.TTL)
		}
		c.once(changed, p.ID)
	}
	for _, id := range b.Delete {
		c.id(id)
		c.once(changed, id)
	}
	for _, a := range b.Append {
		c.name("queue", a.Queue)
		c.value(a.Value)
		if a.Mark != "" {
			c.name("mark", a.Mark)
			if a.MarkTTL <= 0 {
				c.fail("%w: append to %q: mark %q has the TTL %s", ErrInvalid, a.Queue, a.Mark, a.MarkTTL)
			}
		}
	}
	for _, r := range b.Remove {
		c.name("queue", r.Queue)
	}
	wakes := make(map[string]bool, len(b.Wake))
	for _, w := range b.Wake {
		c.name("wake key", w.Key)
		if wakes[w.Key] {
			c.fail("%w: the wake of %q is set twice", ErrInvalid, w.Key)
		}
		wakes[w.Key] = true
	}
	if c.size > MaxBatch {
		c.fail("%w: values of %d bytes, the limit is %d", ErrTooBig, c.size, MaxBatch)
	}
	return c.size, c.err
}

// checker keeps the first problem.
type checker struct {
	size int
	err  error
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *checker) name(what, name string) {
	if name == "" {
		c.fail("%w: empty %s", ErrInvalid, what)
	}
	if len(name) > MaxName {
		c.fail("%w: %s of %d bytes, the limit is %d", ErrTooBig, what, len(name), MaxName)
	}
}

func (c *checker) id(id ID) {
	c.name("kind", string(id.Kind))
	c.name("key", id.Key)
	if strings.Contains(string(id.Kind), "\x00") || strings.Contains(id.Key, "\x00") {
		c.fail("%w: zero byte in the record id %q %q", ErrInvalid, id.Kind, id.Key)
	}
}

func (c *checker) once(seen map[ID]bool, id ID) {
	if seen[id] {
		c.fail("%w: the record %s %q is changed twice", ErrInvalid, id.Kind, id.Key)
	}
	seen[id] = true
}

func (c *checker) value(v []byte) {
	c.size += len(v)
	if len(v) > MaxValue {
		c.fail("%w: value of %d bytes, the limit is %d", ErrTooBig, len(v), MaxValue)
	}
}
