package wasm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// custom gives a custom section of a test.
func custom(name, data string) []byte { return sec(0, append(str(name), data...)...) }

func TestCustom(t *testing.T) {
	plain := mod(typ, fun, exp, code)
	for _, test := range []struct {
		name string
		wasm []byte
		data string
		ok   bool
		err  string
	}{
		{"none", plain, "", false, ""},
		{"another", mod(typ, custom("b", "x"), fun, exp, code), "", false, ""},
		{"in the middle", mod(typ, custom("a", "x"), fun, exp, code), "x", true, ""},
		{"at the end, empty", mod(typ, fun, exp, code, custom("a", "")), "", true, ""},
		{"in a module that no host takes", mod(sec(13, 0), custom("a", "x")), "x", true, ""},
		{"twice", mod(custom("a", "x"), custom("a", "x")), "", true, `the custom section "a" stands twice`},
		{"past the end", append(mod(custom("b", "x")), 0, 9, 1), "", false, "9 bytes by its header, but the file ends after 1"},
		{"before the fault", append(mod(custom("a", "x")), 0, 9, 1), "", true, "9 bytes by its header"},
		{"name past the section", mod(sec(0, 9, 'a')), "", false, "a name of 9 bytes goes past the end"},
		{"no WebAssembly", []byte("PK"), "", false, "does not begin with"},
		{"empty", nil, "", false, "does not begin with"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "", false, "component"},
		{"length over 32 bits", mod([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x1f}), "", false, "over 32 bits"},
	} {
		data, ok, err := wasm.Custom(test.wasm, "a")
		if test.err != "" {
			var e *wasm.ModuleError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.err) || data != nil || ok != test.ok {
				t.Errorf("%s: %q, %v, %v; want ...%s", test.name, data, ok, err, test.err)
			}
			continue
		}
		if string(data) != test.data || ok != test.ok || err != nil {
			t.Errorf("%s: %q, %v, %v", test.name, data, ok, err)
		}
	}
}

func TestWithCustom(t *testing.T) {
	plain := mod(typ, custom("b", "kept"), fun, exp, code)
	one, err := wasm.WithCustom(plain, "a", []byte("one"))
	if err != nil || !bytes.Equal(one, append(bytes.Clone(plain), custom("a", "one")...)) {
		t.Fatalf("%x, %v", one, err)
	}
	two, err := wasm.WithCustom(mod(custom("a", "x"), typ, custom("a", "y"), custom("b", "kept"), fun, exp, code), "a", []byte("two"))
	if err != nil || !bytes.Equal(two, append(bytes.Clone(plain), custom("a", "two")...)) {
		t.Errorf("two sections are not replaced by one: %x, %v", two, err)
	}
	if back, err := wasm.WithoutCustom(two, "a"); err != nil || !bytes.Equal(back, plain) {
		t.Errorf("%x, %v", back, err)
	}
	if m, err := wasm.Parse(two); err != nil || m.Sections[len(m.Sections)-1].Name != "custom a" {
		t.Errorf("%+v, %v", m.Sections, err)
	}
	if _, err := wasm.WithCustom(plain, "a", make([]byte, wasm.MaxModule)); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("a module over the limit: %v", err)
	}
	if _, err := wasm.WithCustom(plain, "\xff", nil); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a name that is no text: %v", err)
	}
}

// FuzzCustom: what is put in comes out, nothing else changes, and a module
// stays as sound as it was.
func FuzzCustom(f *testing.F) {
	f.Add(mod(typ, fun, exp, code), "trama.manifest", []byte("{}"))
	f.Add(mod(custom("a", "x"), typ, custom("a", "y")), "a", []byte{})
	f.Add(mod(sec(0, 0x81, 0, 'a')), "a", []byte("a length of more bytes than it takes"))
	f.Add(guest(f, "start"), "name", []byte(strings.Repeat("x", 200)))
	f.Fuzz(func(t *testing.T, module []byte, name string, data []byte) {
		was, had, _ := wasm.Custom(module, name)
		without, err := wasm.WithoutCustom(module, name)
		if err != nil {
			if _, err := wasm.Parse(module); err == nil {
				t.Fatal("a sound module is refused")
			}
			return
		}
		if _, ok, err := wasm.Custom(without, name); ok || err != nil {
			t.Fatal("it is still there", err)
		}
		with, err := wasm.WithCustom(module, name, data)
		if err != nil {
			return
		}
		got, ok, err := wasm.Custom(with, name)
		if !ok || err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q, %v, %v", got, ok, err)
		}
		if !bytes.HasPrefix(with, without) {
			t.Fatal("what comes before has changed")
		}
		if had {
			if again, err := wasm.WithCustom(with, name, was); err != nil || len(again) > len(module)+10 {
				t.Fatalf("%d bytes of %d, %v", len(again), len(module), err)
			}
		}
		_, before := wasm.Parse(module)
		if _, after := wasm.Parse(with); before == nil && after != nil {
			t.Fatal(after)
		}
	})
}
