package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/workspace"
)

// maxAnswer bounds an answer of the admin API.
const maxAnswer = 256 << 20

// clientFlags adds the flags of the commands that ask a server.
func (p *program) clientFlags(commands ...*cobra.Command) {
	for _, c := range commands {
		p.workspaceFlag(c)
		c.Flags().StringVar(&p.server, "server", "", "`URL` of the admin API (default TRAMA_ADMIN, then admin_addr of the workspace)")
		c.Flags().StringVar(&p.token, "token", "", "admin `token` (default TRAMA_TOKEN, then the file of the workspace's data directory)")
	}
}

// client talks to the admin API of one server.
type client struct {
	base      string // such as http://127.0.0.1:8081
	token     string
	tokenFrom string // where the token was found, for people
	workspace string
	http      *http.Client
}

// noServerError: nothing listens at the server's address.
type noServerError struct{ base, workspace string }

func (e *noServerError) Error() string {
	return fmt.Sprintf("no server answers at %s: start one with: %s", e.base, e.remedy())
}

func (e *noServerError) remedy() string { return "trama serve -w " + e.workspace }

// client finds the server and its token: flags first, then the environment,
// then the workspace.
func (p *program) client() (*client, error) {
	dir := filepath.Clean(p.workspace)
	c := &client{workspace: dir, http: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{}, // no proxy: the token goes to the server only
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the admin API has none
		},
	}}
	base := cmp.Or(p.server, p.env("TRAMA_ADMIN"))
	c.token, c.tokenFrom = p.token, "--token"
	if c.token == "" {
		c.token, c.tokenFrom = p.env("TRAMA_TOKEN"), "TRAMA_TOKEN"
	}
	if base == "" || c.token == "" {
		settings, err := workspace.ReadSettings(dir)
		if err != nil {
			return nil, err
		}
		if base == "" {
			base = reachable(settings.AdminAddr)
		}
		if c.token == "" {
			if err := c.readToken(settings.Data); err != nil {
				return nil, err
			}
		}
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usageError{fmt.Sprintf("server %q: want a URL such as http://%s", base, workspace.DefaultAdminAddr)}
	}
	if u.Port() == "0" {
		return nil, fmt.Errorf("admin_addr of %s lets the system choose the port: name the server with --server", dir)
	}
	c.base = strings.TrimRight(base, "/")
	return c, nil
}

// readToken takes the token of a data directory. That there is none is said
// when a server refuses the request: mostly there is no server either.
func (c *client) readToken(data string) error {
	c.tokenFrom = filepath.Join(data, admin.TokenFile)
	text, err := os.ReadFile(c.tokenFrom)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin token: %w", err)
	}
	c.token = strings.TrimSpace(string(text))
	return nil
}

// reachable gives the address at which a listener's own machine reaches it.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch {
	case host == "" || host == "0.0.0.0":
		host = "127.0.0.1"
	case host == "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// do sends one request and decodes the answer, unless into is nil; numbers
// stay as they are written. Body may be nil. The result is the answer as sent.
func (c *client) do(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	data, err := c.send(ctx, method, path, body)
	if err != nil || into == nil {
		return data, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return nil, fmt.Errorf("the answer of %s is not understood (is it another version of trama?): %w", c.base, err)
	}
	return data, nil
}

func (c *client) send(ctx context.Context, method, path string, body any) ([]byte, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &noServerError{c.base, c.workspace}
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", c.base, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s is over %d bytes: ask for less with --limit", c.base, maxAnswer)
	}
	if response.StatusCode/100 == 2 {
		return data, nil
	}
	return nil, c.refused(response, data)
}

// refused makes an error of an answer that is not a success.
func (c *client) refused(response *http.Response, data []byte) error {
	if response.StatusCode == http.StatusUnauthorized {
		if c.token == "" {
			return fmt.Errorf("%s wants the admin token, and there is none in %s: give --token, TRAMA_TOKEN or the server's workspace (-w)", c.base, c.tokenFrom)
		}
		return fmt.Errorf("%s does not accept the token from %s: give the one in %s of its data directory by --token, TRAMA_TOKEN or -w", c.base, c.tokenFrom, admin.TokenFile)
	}
	var details problem.Details
	if strings.HasPrefix(response.Header.Get("Content-Type"), problem.ContentType) && json.Unmarshal(data, &details) == nil && details.Status != 0 {
		return &details
	}
	return fmt.Errorf("%s answered %s: it is not the admin API of a trama server", c.base, response.Status)
}
