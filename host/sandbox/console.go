package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// console takes what a guest writes to stdout and stderr, and logs it line by
// line under the call's log limit. Of stderr it keeps the end, because that is
// where a Go or Rust guest says why it is about to crash.
type console struct {
	in    *instance
	level string
	line  []byte // the line so far, at most maxLine bytes

	keep  bool
	tail  []byte // the last maxTail bytes or a little more
	panic string // the last line that announces a crash
}

// write never fails: a guest that writes too much must not trap by it.
func (c *console) write(p []byte) {
	n := len(p)
	if c.keep {
		c.tail = append(c.tail, p[max(0, n-maxTail):]...)
		if over := len(c.tail) - maxTail; over > maxTail {
			c.tail = append(c.tail[:0], c.tail[over:]...)
		}
	}
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		c.line = append(c.line, part[:min(len(part), maxLine-len(c.line))]...)
		if ended {
			c.flush()
		}
		p = rest
	}
}

// flush logs the line that was begun.
func (c *console) flush() {
	text := string(c.line)
	c.line = c.line[:0]
	if text == "" {
		return
	}
	if c.keep && (strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ")) {
		c.panic = text
	}
	c.in.log(c.level, text)
}

// last gives the line that explains a crash best, or nothing.
func (c *console) last() string {
	if c.panic != "" {
		return printable(c.panic)
	}
	lines := strings.Split(strings.TrimSpace(string(c.tail)), "\n")
	line := lines[len(lines)-1]
	return printable(line[:min(len(line), maxTail/2)])
}

// reset forgets the call.
func (c *console) reset() {
	c.line, c.tail, c.panic = c.line[:0], c.tail[:0], ""
}

// log passes one line on to the host, while the log limit lasts. A line counts
// as lineCost bytes at least, so that empty ones are bounded too.
func (in *instance) log(level, text string) {
	const lineCost = 32
	if in.host == nil || in.logLeft <= 0 {
		return
	}
	text = printable(text[:min(len(text), maxLine)])
	if in.logLeft -= int64(max(len(text), lineCost)); in.logLeft > 0 {
		in.host.Log(level, text)
		return
	}
	limit := in.limits.Log
	in.host.Log("warn", fmt.Sprintf("the log limit of %s is reached and the rest of this call's lines are dropped; %s",
		size(limit), bytesRemedy(LimitLog, limit+1, CeilingLimits().Log)))
}

// printable makes text safe for a terminal and a log: valid UTF-8, control
// characters other than tab and newline, and those that reorder text, written
// as \x1b.
func printable(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	control := func(r rune) bool {
		return (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) && r != '\t' && r != '\n'
	}
	if strings.IndexFunc(text, control) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if control(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
