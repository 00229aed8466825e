// Package c_test holds the tests of trama.h: its parsers as a native program
// under the sanitizers, compared with Go's, and plugins made with it under
// Extism's own host.
package c_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestParsers asks the header's parsers and writers, compiled by each
// compiler that is here.
func TestParsers(t *testing.T) {
	for _, compiler := range []string{"gcc", "clang"} {
		t.Run(compiler, func(t *testing.T) {
			p := native(t, compiler)
			t.Run("json", func(t *testing.T) { testJSON(t, p) })
			t.Run("paths", func(t *testing.T) { testPaths(t, p) })
			t.Run("doubles", func(t *testing.T) { testDoubles(t, p) })
			t.Run("base64", func(t *testing.T) { testBase64(t, p) })
			t.Run("texts", func(t *testing.T) { testTexts(t, p) })
		})
	}
}

// nasty are texts that JSON parsers have stumbled over, good and bad ones.
var nasty = []string{
	``, ` `, "\xef\xbb\xbf{}", `{}`, ` [ ] `, `{"a":1,"a":2}`, `[1,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`,
	`[1 2]`, `[1}`, `{"a":1]`, `[`, `{`, `]`, `}`, `[[]`, `{"a":{}`, `"`, `"a`, `"\`, `"\u`, `"\u12`, `"\u123"`, `"\u12G4"`, `"\x41"`, `"\'"`, `"\` + "\n" + `"`,
	"\"\x00\"", "\"\x1f\"", "\"\x7f\"", `"\u0000"`, "\"a\tb\"", "null\x00", "{\"a\x00\":1}", "[1]\x00", "[\"a\",\n4\n,1,",
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\ud83d\ude00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\uD83D\uDE00"`, `"\udbff\udfff"`, `"\uffff"`,
	"\"\xff\"", "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\"", "\"\xe2\x82\"", "\"\xc3\"", "\"é€\u2028\U0010ffff\"",
	"{\"\\u00e9\":1}", `"\"\\\/\b\f\n\r\t"`, `"/"`,
	`0`, `-0`, `-`, `+1`, `01`, `-01`, `00`, `1.`, `.5`, `-.5`, `1.e3`, `1e`, `1e+`, `1E+2`, `1e-2`, `1.5E3`, `0x10`, `1_000`, `1,2`, `NaN`, `Infinity`, `-Infinity`, `1e400`, `-1e400`, `1e-400`, `0e999999999999999999999`, `1e99999999999999999999`, `0.0000`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `18446744073709551615`, `123456789012345678901234567890`, `9007199254740993`, `1.0`, `100e-2`,
	`true`, `tru`, `truefalse`, `True`, `nul`, `nulll`, `[true,false,null]`, `falsee`, `true false`, `{} {}`, `1 2`, "// c\n1", `[1/*c*/]`, "\v1", "\u00a01", "[\u20281]",
	`{"":0}`, `{"a":{"b":[{"c":[[[]]]}]}}`, `[[],{},"",0,[{}]]`, `[{"]":"["},{"}":"{"},"\"]}"]`, `{"a\"b":"c\\"}`,
	strings.Repeat("[", 256) + strings.Repeat("]", 256), strings.Repeat("[", 257) + strings.Repeat("]", 257), strings.Repeat("[", 100000),
	strings.Repeat(`{"a":`, 256) + "1" + strings.Repeat("}", 256), strings.Repeat(`{"a":[`, 129), `[` + strings.Repeat(" ", 5000) + `]`,
	`"` + strings.Repeat(`\ud83d\ude00`, 500) + `"`, `"` + strings.Repeat("x", 70000) + `"`,
	`{"messages":[{"id":"1","from":"55","name":"Ana \u00c7","text":"oi\n"},{"id":2,"n":-1.25e-7,"ok":true,"none":null}],"to":{"path":"a.b"}}`,
}

func testJSON(t *testing.T, p *program) {
	for _, text := range nasty {
		sameJSON(t, p, []byte(text))
	}
	random := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 20_000 {
		text := []byte(nasty[random.IntN(len(nasty))])
		if len(text) > 300 {
			continue
		}
		for range 1 + random.IntN(3) {
			text = mutate(random, text)
		}
		if sameJSON(t, p, text) {
			good++
		}
		if t.Failed() {
			return
		}
	}
	if good < 1000 {
		t.Errorf("only %d of the random texts were JSON", good)
	}
}

func mutate(random *rand.Rand, text []byte) []byte {
	const pieces = `{}[]",:\u0123456789abcdefnrtls-+.eE` + "\x00\x1f \n\x80\xc3\xa9\xe2\xed\xf0\xff"
	i := random.IntN(len(text) + 1)
	switch random.IntN(4) {
	case 0: // something more
		return append(append(bytes.Clone(text[:i]), pieces[random.IntN(len(pieces))]), text[i:]...)
	case 1: // something less
		return append(bytes.Clone(text[:i]), text[min(len(text), i+1+random.IntN(3)):]...)
	case 2: // a part again
		from := random.IntN(len(text) + 1)
		part := text[from:min(len(text), from+random.IntN(12))]
		return append(append(bytes.Clone(text[:i]), part...), text[i:]...)
	}
	other := []byte(nasty[random.IntN(len(nasty))])
	if len(other) > 40 {
		other = nil
	}
	return append(append(bytes.Clone(text[:i]), other...), text[i:]...)
}

// sameJSON compares what the header makes of a text with what encoding/json
// does, and says whether it was JSON.
func sameJSON(t *testing.T, p *program, text []byte) bool {
	t.Helper()
	got := p.ask('j', text)
	fault := strings.HasPrefix(got, "fault: ")
	want := json.Valid(text) && utf8.Valid(text) && depth(text) <= 256
	if fault == want {
		t.Errorf("%.80q: %.200s; by encoding/json it is %t", text, got, want)
	}
	if want && !fault {
		if again := again(t, text); got != again {
			t.Errorf("%.80q:\ngot  %.200q\nwant %.200q", text, got, again)
		}
	}
	return want
}

func depth(text []byte) (deepest int) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for d := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			d++
		case json.Delim(']'), json.Delim('}'):
			d--
		}
		deepest = max(deepest, d)
	}
}

// again writes JSON token by token, numbers as 64-bit integers or doubles.
func again(t *testing.T, text []byte) string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out strings.Builder
	var objects []bool // open ones; true for an object
	var inside []int   // tokens within each
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		end := token == json.Delim(']') || token == json.Delim('}')
		if n := len(objects); n > 0 && !end {
			switch {
			case objects[n-1] && inside[n-1]%2 == 1:
				out.WriteByte(':')
			case inside[n-1] > 0:
				out.WriteByte(',')
			}
			inside[n-1]++
		}
		switch v := token.(type) {
		case json.Delim:
			out.WriteString(v.String())
			if end {
				objects, inside = objects[:len(objects)-1], inside[:len(inside)-1]
			} else {
				objects, inside = append(objects, v == '{'), append(inside, 0)
			}
		case json.Number:
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				out.WriteString(strconv.FormatInt(n, 10))
			} else if f, err := strconv.ParseFloat(string(v), 64); err == nil {
				out.WriteString(double(t, f))
			} else {
				out.WriteString(`"out of range"`)
			}
		case string:
			out.WriteString(quoted(t, v))
		case nil:
			out.WriteString("null")
		default:
			fmt.Fprint(&out, v)
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		t.Fatal(err)
	}
	// encoding/json escapes these two for JavaScript's sake.
	return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(out.String(), "\n"))
}

func double(t *testing.T, f float64) string {
	t.Helper()
	if f == 0 && math.Signbit(f) {
		return "-0"
	}
	out, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func testPaths(t *testing.T, p *program) {
	const text = `{"a":{"b":[10,{"c":"x"},[]]},"a.b":1,"":{"":2},"\u00e9":3,"0":4,"n":1,"n":2,"s":"ab", "w" : [ 1 , 2 ] }`
	for path, want := range map[string]string{
		"a.b.0": "10", "a.b.1.c": `"x"`, "a.b.2": "[]", "a.b.3": "", "a.b.-1": "", "a.b.00": "10", "a.b.99999999999": "", "a.b.": "",
		"a.b.x": "", "a.c": "", ".": "2", "": `{"":2}`, "é": "3", "0": "4", "n": "2", "s.0": "", "a.b.0.x": "", "w.1": "2", "w": "[ 1 , 2 ]",
	} {
		if got := p.ask('p', []byte(path+"\x00"+text)); got != want {
			t.Errorf("%q gives %q, want %q", path, got, want)
		}
	}
}

func testDoubles(t *testing.T, p *program) {
	read := func(text string) {
		t.Helper()
		f, err := strconv.ParseFloat(text, 64)
		want := strconv.FormatUint(math.Float64bits(f), 16)
		if err != nil {
			want = "out of range"
		}
		if got := p.ask('d', []byte(text)); got != want {
			t.Errorf("%.60s reads as %s, want %s", text, got, want)
		}
	}
	write := func(f float64) {
		t.Helper()
		got := p.ask('w', binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
		want := "null"
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			want = double(t, f)
			read(want)
		}
		if got != want {
			t.Errorf("%x is written %s, want %s", math.Float64bits(f), got, want)
		}
	}
	for _, text := range []string{
		"1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "2e308", "-1e309",
		"4.9406564584124654e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.470328229206232720882843964341106861825299013071623822127928412503377536351043e-324",
		"2.2250738585072011e-308", "2.2250738585072012e-308", "2.2250738585072014e-308", "9007199254740993", "9007199254740992.999", "9007199254740993.0000000000000000000000000000001",
		"0.1", "0.30000000000000004", "123456789012345678", "1e22", "1e23", "8.988465674311581e307", "5e-324", "-0.0", "0e400", "1e-10000000000",
		"0." + strings.Repeat("0", 400) + "1e401", strings.Repeat("9", 400) + "e-400",
		"9007199254740993." + strings.Repeat("0", 900) + "1", "9007199254740993." + strings.Repeat("0", 900), "1." + strings.Repeat("3", 5000),
	} {
		read(text)
	}
	// strconv.ParseFloat forgets zeros before the point beyond the 800th digit.
	for _, zeros := range []int{799, 800, 801, 5000} {
		text := fmt.Sprintf("1%se-%d", strings.Repeat("0", zeros), zeros)
		if got := p.ask('d', []byte(text)); got != "3ff0000000000000" {
			t.Errorf("1 with %d zeros, e-%d, reads as %s", zeros, zeros, got)
		}
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1e20, 1e21, 123456789e13, 1e-6, 1e-7, 1.5e-7, 100, 1e22, 1e23, 5e-324, math.MaxFloat64,
		2.2250738585072014e-308, 2.225073858507201e-308, math.Inf(1), math.Inf(-1), math.NaN(), 9007199254740992, 4503599627370496.5, 9.5367431640625e-07,
	} {
		write(f)
	}
	for e := -1074; e < 1024; e++ { // each power of two, and its neighbours
		f := math.Ldexp(1, e)
		write(f)
		write(math.Nextafter(f, 0))
		write(math.Nextafter(f, 2*f))
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		write(math.Float64frombits(random.Uint64()))
		write(float64(random.Int64N(1e9)) / 1000)
		read(fmt.Sprintf("%d.%de%d", random.Int64(), random.Uint64(), random.IntN(700)-350))
	}
}

func testBase64(t *testing.T, p *program) {
	for _, text := range []string{"", "QQ==", "QUI=", "QUJD", "QUJDRA==", "+/+/", "-_-_", "QQ=", "QQ", "Q", "=", "==", "===", "====", "Q===", "QQ=Q", "Q=Q=", "QR==", "QUJ=",
		"QU\nJD", "QUJD\n", " QUJD", "QUJD=", "QUJD====", "QQ==QQ==", "QQ=\x00", "\xff\xff\xff\xff", strings.Repeat("A", 1000)} {
		want, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") { // which Go passes over
			want = []byte("fault")
		}
		if got := p.ask('b', []byte(text)); got != string(want) {
			t.Errorf("%q decodes to %q, want %q", text, got, want)
		}
	}
	for n := range 70 {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(251 * (i + n))
		}
		text := base64.StdEncoding.EncodeToString(data)
		if got := p.ask('e', data); got != text {
			t.Errorf("%x encodes to %q, want %q", data, got, text)
		}
		if got := p.ask('b', []byte(text)); got != string(data) {
			t.Errorf("%q decodes to %x", text, got)
		}
		if got := p.ask('h', []byte(p.ask('x', data))); got != string(data) || p.ask('x', data) != hex.EncodeToString(data) {
			t.Errorf("%x in hexadecimal is %s, and back %x", data, p.ask('x', data), got)
		}
	}
	for _, text := range []string{"0", "0g", "g0", "0x", "00 ", "\x00\x00", "::", "@@"} {
		if got := p.ask('h', []byte(text)); got != "fault" {
			t.Errorf("%q decodes to %x", text, got)
		}
	}
}

func testTexts(t *testing.T, p *program) {
	for _, text := range []string{"", "a\"b\\c/", "\x00\x01\b\t\n\v\f\r\x1f\x7f", "é€😀\u2028", "\xff", "a\xc3", "\xed\xa0\x80", "\xf0\x9f\x98", "<>&"} {
		if got, want := p.ask('t', []byte(text)), quoted(t, strings.ToValidUTF8(text, "\ufffd")); got != want && utf8.ValidString(text) {
			t.Errorf("%q is written %s, want %s", text, got, want)
		} else if !utf8.ValidString(got) || !json.Valid([]byte(got)) {
			t.Errorf("%q is written %q, no JSON", text, got)
		}
	}
	if got, want := p.ask('n', nil), `["",null,"","",true,false,0,true]`; got != want {
		t.Errorf("no text gives %s, want %s", got, want)
	}
	want := "ab|c|e|-2147483648|4294967295|beef|-5|5|-9223372036854775808|18446744073709551615|7|%"
	if got := p.ask('f', nil); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := p.ask('P', nil), "abc|de|f|"; got != want {
		t.Errorf("precisions give %q, want %q", got, want)
	}
}

// program is the header's parsers as a running process.
type program struct {
	t      *testing.T
	in     io.Writer
	out    io.Reader
	stderr *bytes.Buffer
}

// native compiles and starts it, and sees that it ends well: the sanitizers
// speak by the exit code.
func native(t *testing.T, name string) *program {
	t.Helper()
	compiler := tool(t, name)
	read(t, "trama.h", "testdata/parsers.c")
	file := filepath.Join(t.TempDir(), "parsers")
	flags := []string{"-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	if output, err := exec.Command(compiler, append(flags, "-o", file, "testdata/parsers.c")...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, output)
	}
	command := exec.Command(file)
	p := &program{t: t, stderr: new(bytes.Buffer)}
	command.Stderr = p.stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.out, err = command.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("%v\n%s", err, p.stderr)
		}
	})
	return p
}

func (p *program) ask(what byte, question []byte) string {
	p.t.Helper()
	message := binary.LittleEndian.AppendUint32(nil, uint32(1+len(question)))
	message = append(append(message, what), question...)
	if _, err := p.in.Write(message); err != nil {
		p.t.Fatalf("%c %.80q: %v\n%s", what, question, err, p.stderr)
	}
	var size [4]byte
	if _, err := io.ReadFull(p.out, size[:]); err != nil {
		p.t.Fatalf("%c %.80q: %v\n%s", what, question, err, p.stderr)
	}
	answer := make([]byte, binary.LittleEndian.Uint32(size[:]))
	if _, err := io.ReadFull(p.out, answer); err != nil {
		p.t.Fatal(err)
	}
	return string(answer)
}

// read opens what a compiler will read, so that go test sees when it changes.
func read(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
}

// tool gives a program of this name, or of one with a version after it.
func tool(t *testing.T, name string) string {
	t.Helper()
	names := []string{name}
	for version := 19; version >= 14; version-- {
		names = append(names, fmt.Sprintf("%s-%d", name, version))
	}
	for _, candidate := range names {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed: what it compiles is not tested", name)
	return ""
}
