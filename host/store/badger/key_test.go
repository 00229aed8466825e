package badger

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/store"
)

func sign(n int) int { return cmp.Compare(n, 0) }

// TestKeyOrder: keys of one kind, one queue and of due wakes sort as what they
// stand for, and no key strays into another's prefix.
func TestKeyOrder(t *testing.T) {
	name := rapid.StringOfN(rapid.RuneFrom([]rune{1, 'a', 'b', 0xff, 0x10ffff}), 1, 4, -1)
	queue := rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 'a', 0xff}), 1, 4, -1)
	position := rapid.Custom(func(t *rapid.T) store.Position { return store.Position(rapid.Uint64().Draw(t, "position")) })
	at := rapid.Custom(func(t *rapid.T) time.Time { return time.Unix(0, rapid.Int64().Draw(t, "ns")) })
	rapid.Check(t, func(t *rapid.T) {
		a := store.ID{Kind: store.Kind(name.Draw(t, "kind")), Key: name.Draw(t, "key")}
		b := store.ID{Kind: store.Kind(name.Draw(t, "kind")), Key: name.Draw(t, "key")}
		ka, kb := recordKey(a), recordKey(b)
		if sign(bytes.Compare(ka, kb)) != cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Key, b.Key)) {
			t.Fatalf("order of %v and %v", a, b)
		}
		if in := bytes.HasPrefix(kb, recordPrefix(a.Kind)); in != (a.Kind == b.Kind) {
			t.Fatalf("%v in the prefix of %q: %v", b, a.Kind, in)
		}
		if before := bytes.Compare(kb, recordEnd(a.Kind)) < 0; before != (b.Kind <= a.Kind) {
			t.Fatalf("%v before the end of %q: %v", b, a.Kind, before)
		}

		qa, qb := queue.Draw(t, "queue"), queue.Draw(t, "queue")
		pa, pb := position.Draw(t, "position"), position.Draw(t, "position")
		if in := bytes.HasPrefix(itemKey(qb, pb), itemPrefix(qa)); in != (qa == qb) {
			t.Fatalf("queue %q in the prefix of %q: %v", qb, qa, in)
		}
		if sign(bytes.Compare(itemKey(qa, pa), itemKey(qa, pb))) != cmp.Compare(pa, pb) {
			t.Fatalf("order of positions %d and %d", pa, pb)
		}
		if got, err := itemPosition(itemKey(qa, pa)); got != pa || err != nil {
			t.Fatalf("position %d came back as %d, %v", pa, got, err)
		}

		wa, wb := store.Wake{Key: queue.Draw(t, "wake"), At: at.Draw(t, "at")}, store.Wake{Key: queue.Draw(t, "wake"), At: at.Draw(t, "at")}
		da, db := dueKey(instant(wa.At), wa.Key), dueKey(instant(wb.At), wb.Key)
		if sign(bytes.Compare(da, db)) != cmp.Or(wa.At.Compare(wb.At), strings.Compare(wa.Key, wb.Key)) {
			t.Fatalf("order of %v and %v", wa, wb)
		}
		if got, err := parseDueKey(da); err != nil || got.Key != wa.Key || !got.At.Equal(wa.At) {
			t.Fatalf("%v came back as %v, %v", wa, got, err)
		}
	})
}

func TestInstantEnds(t *testing.T) {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	for _, c := range []struct{ in, want time.Time }{
		{time.Time{}, first},
		{first.Add(-1), first},
		{first, first},
		{last, last},
		{last.Add(1), last},
		{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), last},
	} {
		if got := instantTime(instant(c.in)); !got.Equal(c.want) {
			t.Errorf("instant of %v came back as %v, want %v", c.in, got, c.want)
		}
	}
}

func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		st := recordState{revision: store.Revision(rapid.Uint64().Draw(t, "revision")), expiry: rapid.Uint64().Draw(t, "expiry")}
		var ref blobRef
		if rapid.Bool().Draw(t, "blob") {
			ref.name[3], ref.size, ref.crc = 7, rapid.Uint32().Draw(t, "size"), rapid.Uint32().Draw(t, "crc")
			st.blob, value = ref.name, nil
		}
		entry := appendBody(make([]byte, recordHeader), value, ref)
		setRecordHeader(entry, st.revision, st.expiry)
		gotState, gotValue, gotRef, err := parseRecord(entry)
		if err != nil || gotState != st || gotRef != ref || !bytes.Equal(gotValue, value) {
			t.Fatalf("record came back as %v %q %v, %v", gotState, gotValue, gotRef, err)
		}
		w := wakeEntry{rapid.Uint64().Draw(t, "at"), st.revision}
		if got, err := parseWake(w.bytes()); got != w || err != nil {
			t.Fatalf("%v came back as %v, %v", w, got, err)
		}
	})
}

// FuzzParse: damaged entries give an error, not a panic.
func FuzzParse(f *testing.F) {
	f.Add(append(make([]byte, recordHeader), bodyInline, 'v'))
	f.Add(appendBody(make([]byte, recordHeader), nil, blobRef{name: blobName{1}}))
	f.Add(itemKey("q", 1))
	f.Add(dueKey(1, "k"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseRecord(b)
		parseBody(b)
		parseWake(b)
		parseNumber(b)
		itemPosition(b)
		if w, err := parseDueKey(b); err == nil && !bytes.Equal(dueKey(instant(w.At), w.Key), b) {
			t.Fatalf("due key %x came back as %v", b, w)
		}
	})
}
