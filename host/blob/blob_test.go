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
		if p.TTL != life {
			t.Errorf("%v is kept for %s", p.ID, p.TTL)
		}
		if len(p.Value) > pieceBytes {
			t.Errorf("%v has %d bytes", p.ID, len(p.Value))
		}
	}
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
