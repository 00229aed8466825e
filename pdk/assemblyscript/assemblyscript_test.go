// Package assemblyscript_test runs a plugin that is made with the PDK for
// AssemblyScript under Extism's own host, and compares its JSON with Go's.
// What Trama's host does with such plugins is tested where the suite of all
// languages is.
package assemblyscript_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	extism "github.com/extism/go-sdk"

	"github.com/trama-run/trama/pdk/internal/stock"
)

func TestInWebAssembly(t *testing.T) {
	plugin := stock.Start(t, build(t), false)
	t.Run("input and output of every length", func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 100_000} {
			stock.Expect(t, plugin, "echo", strings.Repeat("x", n), strings.Repeat("x", n))
		}
	})
	t.Run("settings", func(t *testing.T) { stock.Expect(t, plugin, "color", "", `"red"`) })
	t.Run("values", func(t *testing.T) {
		stock.Expect(t, plugin, "make", "", `{"i":-9223372036854775808,"u":18446744073709551615,"small":7,"f":0.5,"whole":2,"large":1e+300,`+
			`"nan":null,"inf":null,"t":false,"none":null,"text":"é\"\\\n\u0001\u001f😀`+"\ufffd"+`","list":[1,"x",null]}`)
		for input, want := range map[string]string{
			"-7": "2 -7 0 -7.0", "9223372036854775807": "2 9223372036854775807 9223372036854775807 9223372036854776000.0",
			"18446744073709551615": "3 0 18446744073709551615 18446744073709552000.0", "2.0": "4 0 0 2.0", "1e2": "4 0 0 100.0", `"x"`: "5 0 0 0.0",
		} {
			stock.Expect(t, plugin, "look", input, want)
		}
	})
	t.Run("base64", func(t *testing.T) { testBytes(t, plugin) })
	t.Run("JSON", func(t *testing.T) { testJSON(t, plugin) })
	t.Run("numbers", func(t *testing.T) { testNumbers(t, plugin) })
	t.Run("mutations", func(t *testing.T) { testMutations(t, plugin) })
	t.Run("aborts", func(t *testing.T) {
		stock.ExpectTrap(t, plugin, "unused", "", "a result without a value was used: error: JSON, byte 1: want the name of a field, in quotes", "failure.ts:")
		stock.ExpectTrap(t, plugin, "beyond", "", "Index out of range", "~lib/array.ts:")
		stock.ExpectTrap(t, plugin, "nullish", "", "Unexpected 'null'", "assembly/index.ts:65")
	})
}

// testJSON asks for what parsers have stumbled over: the end, and the reason
// of a refusal.
func testJSON(t *testing.T, plugin *extism.Plugin) {
	for input, want := range map[string]string{
		"null": "null", " \t\r\n[ true , false ] \n": "[true,false]", "{}": "{}", "[]": "[]", "0": "0", "-0": "0",
		"9223372036854775808": "9223372036854775808", "18446744073709551615": "18446744073709551615", "1.50e1": "1.50e1",
		"123456789012345678901234567890": "123456789012345678901234567890",
		`"\"\\\/\b\f\n\r\t\u0001\u001F"`: `"\"\\/\b\f\n\r\t\u0001\u001f"`, `"\u00e9\u20AC\ud83d\ude00é😀"`: `"é€😀é😀"`,
		`"\ud83d"`: "\"\ufffd\"", `"\ude00\ud83d"`: "\"\ufffd\ufffd\"", `"\ud83d\ud83d\ude00"`: "\"\ufffd😀\"", `"\ud83d\u0041"`: "\"\ufffdA\"",
		`"\u0000"`: `"\u0000"`, `{"a":1,"b":2,"a":3,"\u0061":4}`: `{"a":4,"b":2}`, `{"":{"":1}}`: `{"":{"":1}}`,
	} {
		stock.Expect(t, plugin, "parse", input, want)
	}
	for input, want := range map[string]string{
		"": "byte 0: want a JSON value", "nul": "byte 0: want a JSON value", "nulll": "byte 4: there is more after the JSON value",
		"NaN": "byte 0: want a JSON value", "+1": "byte 0: want a JSON value", "-": "byte 1: want a digit",
		"01": "byte 1: there is more after the JSON value", "1.": "byte 2: want a digit", ".5": "byte 0: want a JSON value", "1e+": "byte 3: want a digit",
		"1e999": "byte 0: this number is too large", "{} x": "byte 3: there is more after the JSON value", "[1,]": "byte 3: want a JSON value",
		"[1 2]": "byte 3: want ',' or ']'", "[": "byte 1: want a JSON value", `{"a"}`: "byte 4: want ':'",
		`{"a":1,}`: "byte 7: want the name of a field, in quotes", `{"a":1`: "byte 6: want ',' or '}'", `"a`: "byte 2: the text does not end",
		`"a\`: "byte 3: the text does not end", "\"a\nb\"": "byte 2: a control character in a text; write it as an escape",
		`"\x41"`: "byte 2: there is no such escape", `"\u12g4"`: "byte 5: want four hexadecimal digits", `"\u12"`: "byte 5: want four hexadecimal digits",
		`"\ud83d\u12"`: "byte 11: want four hexadecimal digits", "\"a\xff\"": "byte 2: these bytes are not UTF-8",
		"\"\xed\xa0\x80\"": "byte 1: these bytes are not UTF-8", "\xef\xbb\xbf1": "byte 0: want a JSON value",
		strings.Repeat("[", 100_000):                                  "byte 256: lists and objects stand too deep in each other",
		strings.Repeat("[", 257) + strings.Repeat("]", 257):           "byte 256: lists and objects stand too deep in each other",
		strings.Repeat(`{"a":`, 257) + "1" + strings.Repeat("}", 257): "byte 1280: lists and objects stand too deep in each other",
	} {
		code, _, err := plugin.Call("parse", []byte(input))
		var failure struct{ Code, Message string }
		if code != 1 || err == nil || json.Unmarshal([]byte(err.Error()), &failure) != nil ||
			failure.Code != "invalid" || failure.Message != "input: JSON, "+want {
			t.Errorf("%.60q: %d, %v, want %s", input, code, err, want)
		}
	}
	deep := strings.Repeat(`{"a":[`, 128) + strings.Repeat("]}", 128)
	stock.Expect(t, plugin, "parse", deep, deep)
	fields := make([]string, 20_000)
	for i := range fields {
		fields[i] = `"` + strconv.Itoa(i%10_000) + `":` + strconv.Itoa(i)
	}
	_, output, err := plugin.Call("parse", []byte("{"+strings.Join(fields, ",")+"}"))
	var many map[string]int
	if err != nil || json.Unmarshal(output, &many) != nil || len(many) != 10_000 || many["9999"] != 19_999 {
		t.Errorf("%v, %d fields", err, len(many))
	}
}

// testNumbers: a float is read as Go reads it, to its last bit.
func testNumbers(t *testing.T, plugin *extism.Plugin) {
	random := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 2000 {
		text := strconv.FormatFloat(random.NormFloat64()*float64(int64(1)<<random.IntN(60)), 'g', 1+random.IntN(17), 64)
		if !strings.ContainsAny(text, ".e") {
			continue
		}
		_, output, err := plugin.Call("look", []byte(text))
		words := strings.Fields(string(output))
		if err != nil || len(words) != 4 {
			t.Fatalf("%s: %q, %v", text, output, err)
		}
		want, _ := strconv.ParseFloat(text, 64) // Go wrote it
		if got, err := strconv.ParseFloat(words[3], 64); err != nil || got != want {
			wrong++
			t.Logf("%s is read as %s", text, words[3])
		}
	}
	if wrong > 0 {
		t.Errorf("%d of 2000 are read wrongly", wrong)
	}
}

// testMutations: what arrives is refused where Go refuses it, and otherwise
// means what it means to Go.
func testMutations(t *testing.T, plugin *extism.Plugin) {
	seeds := []string{
		`{"items":[{"price":250,"quantity":2.5e-3},{"a":null,"b":[true,false]}],"text":"é\ud83d\ude00\n"}`,
		`[[[{"":{"x":[-0.5,18446744073709551615,1e30]}}]],"\u0000\"\\"]`,
	}
	const pieces = "{}[]\",:\\u0123456789eE+-.ntf \xff\xc3\xf0\x00\n"
	random := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for round := range 10_000 {
		data := []byte(seeds[round%2])
		for range 1 + random.IntN(3) {
			at, piece := random.IntN(len(data)), pieces[random.IntN(len(pieces))]
			switch random.IntN(4) {
			case 0:
				data[at] = piece
			case 1:
				data = append(data[:at], data[at+1:]...)
			case 2:
				data = append(data[:at], append([]byte{piece}, data[at:]...)...)
			default:
				data = data[:at+1]
			}
			if len(data) == 0 {
				break
			}
		}
		want, valid := decode(data)
		code, output, err := plugin.Call("parse", data)
		if (code == 0 && err == nil) != valid {
			t.Fatalf("%q: %d, %v; Go takes it: %v", data, code, err, valid)
		}
		if !valid {
			continue
		}
		taken++
		if got, ok := decode(output); !ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q becomes %q", data, output)
		}
	}
	if taken < 300 {
		t.Errorf("only %d of the mutations are JSON", taken)
	}
}

// decode reads JSON as Go does, but refuses bytes that are no UTF-8 and numbers
// that no float holds.
func decode(data []byte) (value any, ok bool) {
	if !utf8.Valid(data) {
		return nil, false
	}
	err := json.Unmarshal(data, &value)
	return value, err == nil
}

func testBytes(t *testing.T, plugin *extism.Plugin) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 255, 256} {
		data := all[256-n:]
		text, digits := base64.StdEncoding.EncodeToString(data), hex.EncodeToString(data)
		stock.Expect(t, plugin, "base64", text, digits)
		stock.Expect(t, plugin, "hex", digits, text)
		stock.Expect(t, plugin, "hex", strings.ToUpper(digits), text)
	}
	for export, inputs := range map[string][]string{
		"base64": {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9\n", "-_-_", "é==="}, "hex": {"f", "fff", "gg", "0x", "éé"},
	} {
		for _, input := range inputs {
			if code, output, err := plugin.Call(export, []byte(input)); code != 1 || err == nil {
				t.Errorf("%s(%s) gives %d, %s", export, input, code, output)
			}
		}
	}
}

// build compiles testdata against the PDK, as a project with it inside.
func build(t *testing.T) []byte {
	t.Helper()
	asc, err := exec.LookPath("asc")
	if err != nil {
		stock.LeftOut(t, "asc", "npm install -g assemblyscript@0.28.20")
	}
	dir := t.TempDir()
	for from, to := range map[string]string{
		"template/all": ".", "testdata": ".", "package.json": "trama-pdk/package.json", "index.ts": "trama-pdk/index.ts",
		"exports.ts": "trama-pdk/exports.ts", "assembly": "trama-pdk/assembly",
	} {
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(dir, to)
		if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			var data []byte
			if data, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(to, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), asc, "assembly/index.ts", "--config", "asconfig.json", "--target", "release", "--outFile", "plugin.wasm")
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	module, err := os.ReadFile(filepath.Join(dir, "plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(module, []byte("trama:host")) {
		t.Error("a plugin that only computes imports functions of Trama's own")
	}
	return module
}
