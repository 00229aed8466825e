package sandbox

import (
	"bytes"
	"fmt"
	"regexp"
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
	panic string // what announces a crash, on one line
	more  bool   // its message is in the next line
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
	if c.keep {
		c.watch(text)
	}
	c.in.log(c.level, text)
}

// watch looks for the line by which a language announces a crash: Go's
// "panic: ..." and "fatal error: ...", and Rust's "thread 'main' panicked at ...",
// which since 1.73 has its message in the line below. More follows them.
func (c *console) watch(text string) {
	rust := strings.HasPrefix(text, "thread '") && strings.Contains(text, " panicked at ")
	switch {
	case rust || strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: "):
		c.panic, c.more = text, rust && strings.HasSuffix(text, ":")
	case c.more:
		c.panic, c.more = c.panic+" "+text, false
	}
}

// goFrame is a call in the trace that Go writes: its function, then its file
// and line.
var goFrame = regexp.MustCompile(`(?m)^([^\s(]+[^\n]*)\(.*\)\n\t(\S+:\d+)`)

// goPlace gives where a Go guest says that it panicked, or nothing.
func (c *console) goPlace() string {
	_, trace, found := bytes.Cut(c.tail, []byte("goroutine "))
	if !found {
		return ""
	}
	var frames []frame
	for _, m := range goFrame.FindAllSubmatch(trace, maxFrames) {
		if name := string(m[1]); name != "panic" {
			frames = append(frames, frame{function: name, at: string(m[2])})
		}
	}
	return placeOf(frames)
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
	c.line, c.tail, c.panic, c.more = c.line[:0], c.tail[:0], "", false
}

// What is kept of the log for the error of a crash.
const (
	keptLog     = 5   // lines
	maxKeptLine = 500 // bytes of one
)

// keepLine keeps the end of the log.
func (in *instance) keepLine(level, text string) {
	if len(in.lastLog) == keptLog {
		in.lastLog = append(in.lastLog[:0], in.lastLog[1:]...)
	}
	in.lastLog = append(in.lastLog, level+": "+printable(text[:min(len(text), maxKeptLine)]))
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
