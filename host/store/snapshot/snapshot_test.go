package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, entries []Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, 42, time.UnixMilli(1_700_000_000_000))
	for _, e := range entries {
		if err := w.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte) (entries []Entry, s Summary, err error) {
	r, err := NewReader(bufio.NewReader(bytes.NewReader(data)))
	for err == nil {
		var e Entry
		if e, err = r.Next(); err == nil {
			entries = append(entries, e)
		}
	}
	if errors.Is(err, io.EOF) {
		return entries, r.Summary, nil
	}
	return nil, Summary{}, err
}

func some() []Entry {
	return []Entry{
		{Section: Records, Kind: "k", Name: "a", Number: 1, Value: []byte("value")},
		{Section: Records, Kind: "k", Name: "b", Number: 2, Time: 5000, Value: []byte{}},
		{Section: Records, Kind: "l", Name: "a", Number: 3, Time: 9000, Value: []byte("v")},
		{Section: Items, Name: "z", Number: 7, Value: bytes.Repeat([]byte("x"), 100_000)},
		{Section: Items, Name: "aa", Number: 6, Value: []byte("y")},
		{Section: Items, Name: "aa", Number: 8, Value: []byte("y")},
		{Section: Wakes, Name: "w", Number: 9, Time: -1},
		{Section: Files, Kind: "d", Name: "f", Value: []byte("content")},
	}
}

func TestRoundTrip(t *testing.T) {
	entries, summary, err := read(write(t, some()))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range some() {
		if e.Value == nil {
			e.Value = []byte{}
		}
		if got := entries[i]; !bytes.Equal(got.Value, e.Value) || got.compare(&e) != 0 || got.Time != e.Time {
			t.Fatalf("entry %d: %+v", i, got)
		}
	}
	if len(entries) != len(some()) || summary.Sequence != 42 || !summary.Time.Equal(time.UnixMilli(1_700_000_000_000)) || len(summary.Sums) != 5 {
		t.Fatalf("%d entries, %+v", len(entries), summary)
	}
}

// TestDamage changes every byte outside the long value, and cuts everywhere.
func TestDamage(t *testing.T) {
	good := write(t, some())
	from, to := bytes.Index(good, []byte("xxx"))+10, bytes.LastIndex(good, []byte("xxx"))-10
	for i := range good {
		if i > from && i < to {
			continue
		}
		bad := slices.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, _, err := read(bad); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, _, err := read(good[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestOrder(t *testing.T) {
	for i := range some()[1:] {
		entries := some()
		entries[i], entries[i+1] = entries[i+1], entries[i]
		w := NewWriter(io.Discard, 0, time.Time{})
		var err error
		for _, e := range entries {
			err = w.Put(e)
		}
		if err == nil || !strings.Contains(err.Error(), "out of order") || w.Close() == nil {
			t.Fatalf("entries %d and %d exchanged: %v", i, i+1, err)
		}
	}
	w := NewWriter(io.Discard, 0, time.Time{})
	if err := errors.Join(w.Put(some()[0]), w.Put(some()[0])); err == nil {
		t.Fatal("an entry was taken twice")
	}
}

// TestSummarize leaves out what ends, and reads no further than the end.
func TestSummarize(t *testing.T) {
	left := slices.DeleteFunc(some(), func(e Entry) bool { return e.Time == 5000 })
	in := bufio.NewReader(bytes.NewReader(slices.Concat(write(t, some()), write(t, left), []byte("rest"))))
	first, err := Summarize(in, time.UnixMilli(9000))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Summarize(in, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) || first.Sums[0].Count != 1 {
		t.Fatalf("%+v\nand\n%+v", first, second)
	}
	if rest, err := io.ReadAll(in); string(rest) != "rest" || err != nil {
		t.Fatalf("%q follows, %v", rest, err)
	}
}
