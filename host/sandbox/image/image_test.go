package image

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

const mib = 1 << 20

// each runs a test under every method that this machine has.
func each(t *testing.T, test func(t *testing.T, s *Space)) {
	ran := 0
	for _, method := range Methods() {
		t.Run(string(method), func(t *testing.T) {
			s, err := Open(method)
			if err != nil {
				t.Skipf("NOT TESTED: this machine lacks it: %v", err)
			}
			ran++
			test(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if ran == 0 {
		t.Error("no method works here")
	}
}

func content(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, size)
	for at := 0; at < size; at += pageSize {
		if random.IntN(3) == 0 {
			continue // an empty page
		}
		for i := at; i < at+pageSize; i += 1 + random.IntN(64) {
			data[i] = byte(random.Uint32())
		}
	}
	return data
}

// loaded gives a memory that starts as want.
func loaded(t testing.TB, s *Space, want []byte, limit uint64) (*Memory, *Image) {
	t.Helper()
	kept, err := s.Keep(want)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Reserve(limit)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(kept); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Release(); err != nil {
			t.Error(err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, kept
}

// TestRestore: thousands of calls that write anywhere, some of them much, and
// after each the memory is the image again, byte by byte.
func TestRestore(t *testing.T) {
	each(t, func(t *testing.T, s *Space) {
		want := content(3 * mib)
		m, _ := loaded(t, s, want, 8*mib)
		random := rand.New(rand.NewPCG(3, 4))
		for call := range 2000 {
			writes := 1 + random.IntN(20)
			if call%200 == 0 {
				writes = 600
			}
			memory := m.Bytes()
			for range writes {
				memory[random.IntN(len(memory))] ^= byte(1 + random.IntN(255))
			}
			if err := m.Restore(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Bytes(), want) {
				t.Fatalf("after call %d the memory is not the image", call)
			}
		}
	})
}

// TestMemoriesAreApart: what one memory changes is neither in the image nor in
// another memory of it.
func TestMemoriesAreApart(t *testing.T) {
	each(t, func(t *testing.T, s *Space) {
		want := content(mib)
		first, kept := loaded(t, s, want, mib)
		second, err := s.Reserve(mib)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Load(kept); err != nil {
			t.Fatal(err)
		}
		for i := range first.Bytes() {
			first.Bytes()[i] = 0xaa
		}
		if !bytes.Equal(second.Bytes(), want) || !bytes.Equal(kept.Bytes(), want) {
			t.Error("a write of one memory is seen elsewhere")
		}
		if err := second.Release(); err != nil {
			t.Error(err)
		}
	})
}

// TestGrow: grown memory is zero, whatever stood there before, and restoring or
// loading gives the image without what had grown.
func TestGrow(t *testing.T) {
	each(t, func(t *testing.T, s *Space) {
		want := content(mib)
		m, kept := loaded(t, s, want, 12*mib)
		back := map[string]func() error{"restore": m.Restore, "load": func() error { return m.Load(kept) }}
		for i, size := range []uint64{2, 10, 3, 7, 2, 9} { // within what is held, and beyond
			grown := m.Resize(size * mib)
			if uint64(len(grown)) != size*mib || !bytes.Equal(grown[:mib], want) || !bytes.Equal(grown[mib:], make([]byte, (size-1)*mib)) {
				t.Fatal("growing does not keep the content and add zeros")
			}
			for n := 0; n < len(grown); n += 1 + n%(3*pageSize) {
				grown[n] = 0xaa
			}
			by := []string{"restore", "restore", "load"}[i%3]
			if err := back[by](); err != nil {
				t.Fatal(by, err)
			}
			if !bytes.Equal(m.Bytes(), want) {
				t.Errorf("%s: the content is not the image's", by)
			}
			if held := m.Kept(); held > 4*mib {
				t.Errorf("%s: it holds %d bytes", by, held)
			}
		}
		for _, size := range []uint64{13 * mib, 12*mib + pageSize, 2*mib + 1, mib / 2} {
			if m.Resize(size) != nil {
				t.Errorf("%d bytes are given", size)
			}
		}
		if got := m.Resize(12 * mib); len(got) != 12*mib {
			t.Error("the limit itself is refused")
		}
	})
}

func TestSizesAreChecked(t *testing.T) {
	each(t, func(t *testing.T, s *Space) {
		for _, size := range []int{0, 1, pageSize - 1, pageSize + 1} {
			if _, err := s.Keep(make([]byte, size)); err == nil {
				t.Errorf("an image of %d bytes is kept", size)
			}
		}
		small, err := s.Reserve(pageSize)
		if err != nil {
			t.Fatal(err)
		}
		if small.Restore() == nil {
			t.Error("a memory without an image is restored")
		}
		kept, err := s.Keep(content(2 * pageSize))
		if err != nil {
			t.Fatal(err)
		}
		if small.Load(kept) == nil {
			t.Error("an image is loaded into a smaller memory")
		}
		if err := small.Release(); err != nil {
			t.Error(err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenFallsBack(t *testing.T) {
	s, err := Open("no such way", Copy)
	if err != nil || s.Method() != Copy {
		t.Fatal(s, err)
	}
	if _, err := Open("no such way"); err == nil {
		t.Error("an unknown method is opened")
	}
}

// BenchmarkRestore: a memory of 3.3 MB of which a call changes some pages.
func BenchmarkRestore(b *testing.B) {
	for _, method := range Methods() {
		for _, pages := range []int{3, 15} {
			b.Run(fmt.Sprintf("%s/%d", method, pages), func(b *testing.B) {
				s, err := Open(method)
				if err != nil {
					b.Skip(err)
				}
				m, _ := loaded(b, s, content(825*pageSize), 4*mib)
				for b.Loop() {
					for i := range pages {
						m.Bytes()[i*53*pageSize] = 1
					}
					if err := m.Restore(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
