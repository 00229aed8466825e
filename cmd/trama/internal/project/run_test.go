package project

import (
	"bytes"
	"strings"
	"testing"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

// TestPrintOutcome: nothing of a call drives the terminal.
func TestPrintOutcome(t *testing.T) {
	const evil = "a\u009b31m\u202eb\x9bc"
	exchange := abi.HTTPExchange{
		Request:  abi.HTTPRequest{Method: evil, URL: "/" + evil, Headers: map[string]string{evil: evil}, Body: evil},
		Response: abi.HTTPResponse{Status: 200, Body: evil},
	}
	for name, out := range map[string]plugintest.Outcome{
		"output": {Output: []byte(` {"` + evil + `": ["` + evil + `"]} `)},
		"text":   {Output: []byte(evil)},
		"error":  {Error: &abi.Error{Code: evil, Message: evil, Detail: []byte(`"` + evil + `"`)}},
		"rest":   {Output: []byte("1"), Requests: []abi.HTTPExchange{exchange}, Log: []string{evil}, KV: map[string]string{evil: evil}},
	} {
		t.Run(name, func(t *testing.T) {
			var printed bytes.Buffer
			(program{&cli.Program{Stdout: &printed}}).printOutcome(out)
			text := printed.String()
			if strings.ContainsAny(text, "\u009b\u202e") || strings.ToValidUTF8(text, "") != text {
				t.Errorf("%q", text)
			}
			if !strings.Contains(text, `\u009b31m\u202eb`) {
				t.Errorf("what was given isn't there: %q", text)
			}
		})
	}
	var printed bytes.Buffer
	(program{&cli.Program{Stdout: &printed}}).printOutcome(plugintest.Outcome{Output: []byte(` {"a":[1]} `)})
	if want := "output\n{\n  \"a\": [\n    1\n  ]\n}\ntook "; !strings.HasPrefix(printed.String(), want) {
		t.Errorf("%q", printed.String())
	}
}
