package egress

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTransport: what answers in the place of the network sees what the network
// would see, and only what the policy lets out.
func TestTransport(t *testing.T) {
	asked := 0
	client := New(Config{Secrets: secret.New(nil, ""), Transport: answering(func(r *http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: 201, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.URL.String())), ContentLength: -1, Request: r}, nil
	})})
	defer client.Close()
	scope := client.Open(Policy{Origins: []string{"https://api.example.com"}})
	response, err := scope.Send(t.Context(), abi.HTTPRequest{URL: "https://api.example.com/orders"})
	if err != nil || response.Status != 201 || response.Body != "https://api.example.com/orders" {
		t.Errorf("answered with %+v, %v", response, err)
	}
	if _, err := scope.Send(t.Context(), abi.HTTPRequest{URL: "https://other.example.com/"}); err == nil || asked != 1 {
		t.Errorf("a request that is not granted: %v, asked %d times", err, asked)
	}
}
