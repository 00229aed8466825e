package seldom

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSeldom(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	l := New(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	say := func(cause string, times int) {
		for range times {
			l.Say(t.Context(), slog.LevelError, cause, "m", "cause", cause)
		}
	}
	want := func(lines ...string) {
		t.Helper()
		var got []string
		for line := range strings.Lines(out.String()) {
			_, text, _ := strings.Cut(strings.TrimSpace(line), "level=ERROR msg=m ")
			got = append(got, text)
		}
		if strings.Join(got, "; ") != strings.Join(lines, "; ") {
			t.Errorf("%q, want %q", got, lines)
		}
		out.Reset()
	}
	say("a", 3)
	say("b", 1)
	want("cause=a", "cause=b")
	now = now.Add(Every - 1)
	say("a", 1)
	want()
	now = now.Add(1)
	say("a", 1)
	say("b", 1)
	want("cause=a unsaid=3", "cause=b")

	// Causes without number are told apart up to a bound.
	now = now.Add(Every)
	for n := range 2 * maxCauses {
		say(strconv.Itoa(n), 2)
	}
	if lines := strings.Count(out.String(), "\n"); lines > maxCauses+1 || lines < maxCauses/2 || len(l.said) > maxCauses+1 {
		t.Errorf("%d lines, and %d causes are kept", lines, len(l.said))
	}
	out.Reset()
	now = now.Add(Every)
	say("new", 1)
	want("cause=new")
}
