package main

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func TestRun(t *testing.T) {
	for _, test := range []struct{ code, input, text, err string }{
		{"Hello, {name}!", `{"name":"Ana"}`, "Hello, Ana!", ""},
		{"{n} {ok}", `{"n":7,"ok":true}`, "7 true", ""},
		{"{ name } {", `{}`, "{ name } {", ""},
		{"{nme}", `{"name":"Ana"}`, "", "unknown word: nme"},
		{"x", `7`, "", "want an object"},
	} {
		text, err := run(abi.Run{Code: test.code, Input: []byte(test.input)})
		if text != test.text || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v", test.code, text, err)
		}
	}
}
