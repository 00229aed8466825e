package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/pdk/abi"
)

// watched is a store that remembers what was put.
type watched struct {
	store.Store
	puts []store.Put
	fail error
}

func (w *watched) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if w.fail != nil {
		return store.Result{}, w.fail
	}
	w.puts = append(w.puts, b.Put...)
	return w.Store.Commit(ctx, b)
}

func openStore(t *testing.T) *watched {
	t.Helper()
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &watched{Store: s}
}

func bytesOf(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return data
}

func code(err error) string {
	var failure *abi.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return fmt.Sprint(err)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	s := openStore(t)
	for _, size := range []int{0, 1, 1000, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3*pieceBytes + 7} {
		data := bytesOf(size)
		w := Of(s, "owner").Create(t.Context(), "image/png")
		if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(data))); err != nil {
			t.Fatal(err)
		}
		made, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if made.Size != int64(size) || made.SHA256 != hex.EncodeToString(sum[:]) || made.MIME != "image/png" {
			t.Errorf("%d bytes became %+v", size, made)
		}
		owned := Of(s, "owner")
		if got, err := owned.Stat(t.Context(), made.ID); err != nil || got != made {
			t.Errorf("%+v, %v", got, err)
		}
		for range 2 { // as a redirect or a signature may want
			got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(owned.Open(t.Context(), made.ID), 10)))
			if err != nil || !bytes.Equal(got, data[:min(size, 10)]) {
				t.Errorf("%d bytes: read %x, %v", size, got, err)
			}
			if got, err := io.ReadAll(owned.Open(t.Context(), made.ID)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes: read %d, %v", size, len(got), err)
			}
		}
	}
	for _, p := range s.puts {
		if want := map[store.Kind]time.Duration{KindHead: Life, KindPiece: Life + sharing, KindContent: sharing}[p.ID.Kind]; p.TTL != want {
			t.Errorf("%v is kept for %s", p.ID, p.TTL)
		}
		if len(p.Value) > pieceBytes {
			t.Errorf("%v has %d bytes", p.ID, len(p.Value))
		}
	}
}

// TestSameContent: what comes again is stored once, belongs to each of its
// owners alone, and lives as long as each wants.
func TestSameContent(t *testing.T) {
	s := openStore(t)
	data := bytesOf(2*pieceBytes + 9)
	var made []abi.Blob
	for _, o := range []*Owned{Of(s, "a"), Of(s, "b"), For(s, "c", 30*24*time.Hour), Of(s, "d")} {
		w := o.Create(t.Context(), "")
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		blob, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, blob)
		got, err := io.ReadAll(o.Open(t.Context(), blob.ID))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read %d bytes, %v", o.owner, len(got), err)
		}
	}
	records, err := s.List(t.Context(), KindPiece, "", 100, false)
	if err != nil || len(records) != 6 { // the second time because the first don't last for c
		t.Errorf("%d pieces, %v", len(records), err)
	}
	if _, err := io.ReadAll(Of(s, "a").Open(t.Context(), made[1].ID)); !errors.Is(err, ErrNone) {
		t.Errorf("a reads the blob of b: %v", err)
	}
	for _, from := range []int64{0, 1, pieceBytes - 1, pieceBytes, 2*pieceBytes + 8, int64(len(data)), int64(len(data)) + 1} {
		got, err := io.ReadAll(Read(t.Context(), s, made[1].ID, from))
		if err != nil || !bytes.Equal(got, data[min(from, int64(len(data))):]) {
			t.Errorf("from %d: read %d bytes, %v", from, len(got), err)
		}
	}
	if got, err := Find(t.Context(), s, made[1].ID); err != nil || got != made[1] {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Find(t.Context(), s, "blob_../../"+made[1].ID); !errors.Is(err, ErrNone) {
		t.Errorf("a made-up id: %v", err)
	}
}

// meeting is a store in which something happens once, before the last of some
// kinds is listed.
type meeting struct {
	store.Store
	kinds []store.Kind // that are listed until then
	meet  func()
}

func (m *meeting) List(ctx context.Context, kind store.Kind, after string, limit int, back bool) ([]store.Record, error) {
	if len(m.kinds) > 0 && kind == m.kinds[0] && (after == "" || kind == KindPiece) {
		if m.kinds = m.kinds[1:]; len(m.kinds) == 0 {
			m.meet()
		}
	}
	return m.Store.List(ctx, kind, after, limit, back)
}

// TestEraseMeets: who is given the same bytes while they are erased of another
// has them, whenever that is.
func TestEraseMeets(t *testing.T) {
	data := bytesOf(pieceBytes + 9)
	give := func(s store.Store, owner string) abi.Blob {
		w := Of(s, owner).Create(t.Context(), "")
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		made, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	for _, until := range [][]store.Kind{{KindHead}, {KindContent}, {KindHead, KindHead}, {KindPiece}} {
		s := openStore(t)
		anas := give(s, "ana")
		var bobs abi.Blob
		n, err := Erase(t.Context(), &meeting{s, until, func() { bobs = give(s, "bob") }}, func(owner string) bool { return owner == "ana" }, false)
		if n != 1 || err != nil {
			t.Errorf("%v: erased %d, %v", until, n, err)
		}
		if got, err := io.ReadAll(Of(s, "bob").Open(t.Context(), bobs.ID)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%v: bob reads %d bytes of %d, %v", until, len(got), len(data), err)
		}
		if _, err := Find(t.Context(), s, anas.ID); !errors.Is(err, ErrNone) {
			t.Errorf("%v: ana's blob is left: %v", until, err)
		}
	}

	// The content is erased between the look for it and the commit.
	s := openStore(t)
	give(s, "ana")
	w := Of(&between{s, func() {
		if _, err := Erase(t.Context(), s, func(owner string) bool { return owner == "ana" }, false); err != nil {
			t.Error(err)
		}
	}}, "bob").Create(t.Context(), "")
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	made, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(Of(s, "bob").Open(t.Context(), made.ID)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("bob reads %d bytes of %d, %v", len(got), len(data), err)
	}
}

// between is a store in which something happens behind the look for a content.
type between struct {
	store.Store
	meet func()
}

func (b *between) Load(ctx context.Context, id store.ID) (store.Record, error) {
	record, err := b.Store.Load(ctx, id)
	if id.Kind == KindContent {
		b.meet()
	}
	return record, err
}

// A reference is worth something to its owner alone, and nothing that is
// guessed or made up is one.
func TestReferencesAreTheOwners(t *testing.T) {
	s := openStore(t)
	w := Of(s, "contact:a").Create(t.Context(), "")
	if _, err := w.Write([]byte("of a")); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(s, "contact:a").Stat(t.Context(), w.blob.ID); code(err) != abi.CodeDenied {
		t.Errorf("a blob that is not committed: %v", err)
	}
	made, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"contact:b", "run:a", "", "contact:a/"} {
		if _, err := Of(s, owner).Stat(t.Context(), made.ID); code(err) != abi.CodeDenied {
			t.Errorf("%q: %v", owner, err)
		}
	}
	for _, id := range []string{"", "x", made.ID + "/00000000", "blob_AAAAAAAAAAAAAAAAAAAAAAAAAA", made.ID[:len(made.ID)-1], "../" + made.ID, made.ID + "\x00"} {
		if _, err := Of(s, "contact:a").Stat(t.Context(), id); code(err) != abi.CodeDenied {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	s := openStore(t)
	w := Of(s, "owner").Create(t.Context(), "")
	if _, err := w.Write(bytesOf(2*pieceBytes + 5)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	for _, kind := range []store.Kind{KindHead, KindPiece} {
		records, err := s.List(t.Context(), kind, "", 10, false)
		if err != nil || len(records) > 0 {
			t.Errorf("%d records of kind %s are left, %v", len(records), kind, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	s := openStore(t)
	w := Of(s, "owner").Create(t.Context(), "")
	s.fail = store.ErrNoSpace
	if _, err := w.Write(bytesOf(pieceBytes)); code(err) != abi.CodeUnavailable {
		t.Errorf("a piece: %v", err)
	}
	if _, err := w.Commit(); code(err) != abi.CodeUnavailable {
		t.Errorf("the end: %v", err)
	}
	w.Abort()
}
