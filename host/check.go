package host

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/trama-run/trama/host/channel"
)

// sampleTime bounds a request by which a channel is tried out.
const sampleTime = 20 * time.Second

// deliver sends a request to a channel through the host's own public listener.
func (h *Host) deliver(ctx context.Context, id string, headers map[string]string, query url.Values, body []byte) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	scheme := "http"
	if h.config.Settings.TLS.Cert != "" {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://localhost"+channel.HookPath+id+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", reachable(h.public.Addr()))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it is this process's own listener, whatever its certificate is for
	}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, "", fmt.Errorf("the public listener %s does not answer: %w", h.Addr(), err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return 0, "", err
	}
	var refused struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(data, &refused) == nil && refused.Detail != "" {
		return answer.StatusCode, refused.Detail, nil
	}
	return answer.StatusCode, string(data), nil
}

// reachable is a listener's address as this machine reaches it.
func reachable(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return at.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}
