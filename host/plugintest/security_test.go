package plugintest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// requested is a Host that keeps the request that a plugin sent.
type requested struct{ request []byte }

func (*requested) Config(string) (string, bool) { return "", false }
func (*requested) Log(string, string)           {}

func (*requested) HTTP(context.Context, abi.HTTPRequest) (abi.HTTPResponse, error) {
	return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeDenied}
}

func (r *requested) Function(_ context.Context, name string, request []byte) ([]byte, error) {
	if name == abi.HostEffectID {
		return []byte(`{"ok":{"id":"e1"}}`), nil
	}
	r.request = append([]byte(nil), request...)
	return []byte(`{"ok":{"status":201,"body":"{\"id\":\"7\"}"}}`), nil
}

// secured: a request says where credentials may stand in its body, in the words
// of the contract, and is silent about it otherwise. Cases don't see it: it is
// between the plugin and the host.
func secured(t *testing.T, p *plugintest.Plugin) {
	t.Helper()
	wasm, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	module, err := openSandbox(t).Compile(t.Context(), wasm, sandbox.Options{Memory: p.Limits.Memory})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close(t.Context()) //nolint:errcheck // of a test
	place := abi.WSSecurity{At: 1, NoHeader: true, Envelope: "http://www.w3.org/2003/05/soap-envelope"}
	for secured, want := range map[bool]string{true: fmt.Sprint(place), false: "<nil>"} {
		host := &requested{}
		input := fmt.Appendf(nil, `{"name":"Ana","secured":%t}`, secured)
		if _, err := module.Call(t.Context(), sandbox.Call{Export: "fetch", Input: input, Limits: p.Limits, Host: host}); err != nil {
			t.Fatal(err)
		}
		var sent abi.HTTPRequest
		if err := json.Unmarshal(host.request, &sent); err != nil {
			t.Fatalf("%s: %v", host.request, err)
		}
		if got := strings.TrimPrefix(fmt.Sprint(sent.WSSecurity), "&"); got != want {
			t.Errorf("secured %t: %s says %s, want %s", secured, host.request, got, want)
		}
	}
}
