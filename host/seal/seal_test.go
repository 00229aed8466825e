package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// keyOf gives a pair that is the same in each run.
func keyOf(seed byte) (ed25519.PrivateKey, Key) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return private, Key(private.Public().(ed25519.PublicKey))
}

// module gives a file that is a module, and its signature by key 1.
func module(t testing.TB) (plain, signed []byte) {
	t.Helper()
	plain, err := os.ReadFile("../sandbox/testdata/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	private, _ := keyOf(1)
	signed, err = Sign(plain, private)
	if err != nil {
		t.Fatal(err)
	}
	return plain, signed
}

func trusted() Keys {
	_, one := keyOf(1)
	_, two := keyOf(2)
	return Keys{"acme": one, "other": two}
}

func TestSigned(t *testing.T) {
	plain, signed := module(t)
	_, one := keyOf(1)
	if !bytes.HasPrefix(signed, plain) {
		t.Error("what was there before the signature changed")
	}
	if got := Read(signed).Status(trusted()); got != (Status{State: Trusted, Signer: "acme", Key: one.ID()}) {
		t.Errorf("signed: %+v", got)
	}
	if got := Read(plain).Status(trusted()); got != (Status{State: Unsigned}) {
		t.Errorf("unsigned: %+v", got)
	}
	_, two := keyOf(2)
	if got := Read(signed).Status(Keys{"acme": two}); got.State != Unknown || got.Key != one.ID() || got.String() != "signed by the unknown key "+one.ID() {
		t.Errorf("a key that nobody trusts: %+v", got)
	}
	// The section is what the documentation says, so that others can write it.
	data, ok, err := wasm.Custom(signed, "trama.signature")
	var section map[string]any
	if err != nil || !ok || json.Unmarshal(data, &section) != nil || len(section) != 3 || section["alg"] != "ed25519" || section["key"] != one.ID() {
		t.Errorf("the section is %s (%v)", data, err)
	}
	sum := sha256.Sum256(plain)
	seal := Read(signed)
	if !ed25519.Verify(one[:], append([]byte("trama plugin signature 1\n"), sum[:]...), seal.Signature) {
		t.Error("what is signed is not the domain and the sum")
	}
	// A record of it is worth the same.
	stored, err := json.Marshal(seal)
	var again Seal
	if err != nil || json.Unmarshal(stored, &again) != nil || again.Status(trusted()).State != Trusted {
		t.Errorf("stored as %s (%v): %+v", stored, err, again.Status(trusted()))
	}
	// Another signature takes the first one's place.
	private, _ := keyOf(2)
	resigned, err := Sign(signed, private)
	if err != nil || Read(resigned).Status(trusted()).Signer != "other" || len(resigned) != len(signed) {
		t.Errorf("signed again: %+v (%v)", Read(resigned).Status(trusted()), err)
	}
	if _, err := Sign([]byte("no module"), private); err == nil || !strings.Contains(err.Error(), "not WebAssembly") {
		t.Errorf("what is no module: %v", err)
	}
}

// TestAnyByte: no file but the signed one counts as signed: none in which one
// bit differs, none that is shorter, none that goes on.
func TestAnyByte(t *testing.T) {
	_, signed := module(t)
	states := map[State]int{}
	try := func(what string, at int, file []byte) {
		t.Helper()
		got := Read(file).Status(trusted())
		states[got.State]++
		if got.State == Trusted {
			t.Fatalf("%s at %d of %d: %+v", what, at, len(signed), got)
		}
	}
	changed := bytes.Clone(signed)
	for i := range signed {
		for bit := range 8 {
			changed[i] ^= 1 << bit
			try("another bit", i, changed)
			changed[i] = signed[i]
		}
		try("cut", i, signed[:i])
	}
	for _, tail := range []string{"\x00", "\x00\x01\x00", "\x00\x03\x02ab", string(signed[8:])} {
		try("more", len(tail), append(bytes.Clone(signed), tail...))
	}
	if states[Altered] < 8*len(signed)/2 {
		t.Errorf("of %d files most should be altered: %v", 8*len(signed), states)
	}
}

// TestHostile: sections that are no signatures say what is wrong with them.
func TestHostile(t *testing.T) {
	plain, signed := module(t)
	data, _, err := wasm.Custom(signed, Section)
	if err != nil {
		t.Fatal(err)
	}
	custom := func(module []byte, name, data string) []byte {
		t.Helper()
		with, err := wasm.WithCustom(module, name, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return with
	}
	replace := func(old, new string) []byte {
		t.Helper()
		changed := strings.Replace(string(data), old, new, 1)
		if changed == string(data) {
			t.Fatalf("%q is not in %s", old, data)
		}
		return custom(plain, Section, changed)
	}
	tail := signed[len(plain):]
	_, two := keyOf(2)
	long := append(bytes.Clone(plain), 0x00, tail[1]&0x7f|0x80, tail[2]|0x80, 0x00) // the size in a byte more than it takes
	long = append(long, tail[3:]...)
	for name, c := range map[string]struct {
		file  []byte
		state State
		says  string
	}{
		"empty file":          {nil, Unreadable, "not WebAssembly"},
		"not a module":        {[]byte("this is no module"), Unreadable, "not WebAssembly"},
		"half of a module":    {plain[:len(plain)/2], Unreadable, "the file ends after"},
		"with half a section": {append(bytes.Clone(signed), 0, 9), Altered, "the file ends after"},
		"empty section":       {custom(plain, Section, ""), Altered, "it is no signature"},
		"not JSON":            {custom(plain, Section, "ed25519"), Altered, "it is no signature"},
		"null":                {custom(plain, Section, "null"), Altered, `the algorithm is ""`},
		"a list":              {custom(plain, Section, "[]"), Altered, "it is no signature"},
		"other algorithm":     {replace("ed25519", "none"), Altered, `the algorithm is "none"`},
		"no key":              {replace(`"key"`, `"kex"`), Altered, "want a key's id of 16"},
		"key in capitals":     {custom(plain, Section, strings.ToUpper(string(data))), Altered, "the algorithm is"},
		"short signature":     {custom(plain, Section, `{"alg":"ed25519","key":"0123456789abcdef","signature":"AAAA"}`), Altered, "a signature of 64 bytes"},
		"with a space":        {replace(",", ", "), Altered, "not as it is written"},
		"with a field more":   {replace("}", `,"x":1}`), Altered, "not as it is written"},
		"size in more bytes":  {long, Altered, "not as it is written"},
		"huge":                {custom(plain, Section, strings.Repeat(" ", 10<<20)+string(data)), Altered, "are more than a signature has"},
		"twice":               {append(bytes.Clone(signed), tail...), Altered, "stands twice"},
		"not last":            {custom(signed, "name", "x"), Altered, "not the last thing in the file"},
		"cut off":             {signed[:len(signed)-1], Unreadable, "the file ends after"},
		"of another content":  {append(custom(plain, "other", "x"), tail...), Altered, "is not one of this content"},
		"in another's name":   {replace(Read(signed).Key, two.ID()), Altered, "by other"},
	} {
		got := Read(c.file).Status(trusted())
		if got.State != c.state || !strings.Contains(got.Reason, c.says) {
			t.Errorf("%s: %+v, want %s because %q", name, got, c.state, c.says)
		}
	}
}

func FuzzRead(f *testing.F) {
	plain, signed := module(f)
	f.Add(plain)
	f.Add(signed)
	f.Add(append(bytes.Clone(signed), signed[len(plain):]...))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\xff\xff\xff\xff\x0f\x0ftrama.signature{}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		seal := Read(file)
		if status := seal.Status(trusted()); status.State == Trusted && !bytes.Equal(file, signed) {
			t.Errorf("%q is %+v", file, status)
		}
		if seal.Fault+seal.Unread != "" && (seal.Key != "" || seal.Signature != nil) {
			t.Errorf("a fault and a signature: %+v", seal)
		}
		private, public := keyOf(1)
		again, err := Sign(file, private)
		if err != nil {
			return
		}
		if status := Read(again).Status(Keys{"acme": public}); status.State != Trusted {
			t.Errorf("%q was signed, and is %+v", file, status)
		}
	})
}
