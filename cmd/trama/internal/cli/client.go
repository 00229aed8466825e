package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
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

// ClientFlags adds the flags of the commands that ask a server.
func (p *Program) ClientFlags(commands ...*cobra.Command) {
	for _, c := range commands {
		p.WorkspaceFlag(c)
		c.Flags().StringVar(&p.server, "server", "", "`URL` of the admin API (default TRAMA_ADMIN, then admin_addr of the workspace)")
		c.Flags().StringVar(&p.token, "token", "", "admin `token` (default TRAMA_TOKEN, then the file of the workspace's data directory)")
		c.Flags().StringVar(&p.ca, "ca", "", "`file` of the authority that the server's certificate is of, in PEM (default TRAMA_CA, then the workspace's certificate)")
	}
}

// Client talks to the admin API of one server.
type Client struct {
	Base      string // such as http://127.0.0.1:8081
	token     string
	tokenFrom string // where the token was found, for people
	Workspace string
	http      *http.Client
}

// NoServerError: nothing listens at the server's address.
type NoServerError struct{ Base, Workspace string }

func (e *NoServerError) Error() string {
	return fmt.Sprintf("no server answers at %s: start one with: %s", e.Base, e.Remedy())
}

func (e *NoServerError) Remedy() string { return "trama serve -w " + e.Workspace }

// Client finds the server and its token: flags first, then the environment,
// then the workspace.
func (p *Program) Client() (*Client, error) {
	dir := filepath.Clean(p.Workspace)
	c := &Client{Workspace: dir, http: &http.Client{
		Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the admin API has none
		},
	}}
	base := cmp.Or(p.server, p.Env("TRAMA_ADMIN"))
	var trust *tls.Config
	c.token, c.tokenFrom = p.token, "--token"
	if c.token == "" {
		c.token, c.tokenFrom = p.Env("TRAMA_TOKEN"), "TRAMA_TOKEN"
	}
	if base == "" || c.token == "" {
		settings, err := workspace.ReadSettings(dir)
		if err != nil {
			return nil, err
		}
		if base == "" {
			base = Reachable(settings.AdminAddr)
			if settings.AdminTLS.Cert != "" {
				base = "https://" + base
				if trust, err = trustServer(settings.AdminTLS.Cert); err != nil {
					return nil, err
				}
			}
		}
		if c.token == "" {
			if err := c.readToken(settings.Data); err != nil {
				return nil, err
			}
		}
	}
	if ca := cmp.Or(p.ca, p.Env("TRAMA_CA")); ca != "" {
		var err error
		if trust, err = trustCA(ca); err != nil {
			return nil, err
		}
	}
	c.http.Transport = &http.Transport{TLSClientConfig: trust} // no proxy: the token goes to the server only
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, Usage(fmt.Sprintf("server %q: want a URL such as http://%s", base, workspace.DefaultAdminAddr))
	}
	if u.Port() == "0" {
		return nil, fmt.Errorf("admin_addr of %s lets the system choose the port: name the server with --server", dir)
	}
	c.Base = strings.TrimRight(base, "/")
	return c, nil
}

// NamesServer says whether the command line or the environment names a server.
func (p *Program) NamesServer() bool { return p.server != "" || p.Env("TRAMA_ADMIN") != "" }

// readToken takes the token of a data directory. That there is none is said
// when a server refuses the request: mostly there is no server either.
func (c *Client) readToken(data string) error {
	c.tokenFrom = filepath.Join(data, admin.TokenFile)
	text, err := os.ReadFile(c.tokenFrom)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin token: %w", err)
	}
	c.token = strings.TrimSpace(string(text))
	return nil
}

// Reachable gives the address at which a listener's own machine reaches it.
func Reachable(addr string) string {
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

// Do sends one request and decodes the answer, unless into is nil; numbers
// stay as they are written. Body may be nil. The result is the answer as sent.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	data, err := c.send(ctx, method, path, body)
	if err != nil || into == nil {
		return data, err
	}
	if err := c.Decode(data, into); err != nil {
		return nil, err
	}
	return data, nil
}

// Decode reads an answer; numbers stay as they are written.
func (c *Client) Decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the answer of %s is not understood (is it another version of trama?): %w", c.Base, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) ([]byte, error) {
	response, data, err := c.Ask(ctx, method, path, body)
	if err != nil || response.StatusCode/100 == 2 {
		return data, err
	}
	return nil, c.Refused(response, data)
}

// Ask sends one request and returns the answer, whatever it is. The body of the
// response has been read.
func (c *Client) Ask(ctx context.Context, method, path string, body any) (*http.Response, []byte, error) {
	var content io.Reader
	if as, is := body.(Document); is {
		content = bytes.NewReader(as)
	} else if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, content)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil, &NoServerError{c.Base, c.Workspace}
	}
	if err != nil {
		return nil, nil, untrusted(c.Base, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("the answer of %s broke off: %w", c.Base, err)
	}
	if len(data) > maxAnswer {
		return nil, nil, fmt.Errorf("the answer of %s is over %d bytes: ask for less with --limit", c.Base, maxAnswer)
	}
	return response, data, nil
}

// Download copies an answer that may be long and take long.
func (c *Client) Download(ctx context.Context, path string, w io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, "GET", c.Base+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	patient := *c.http
	patient.Timeout = 0
	response, err := patient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &NoServerError{c.Base, c.Workspace}
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return errors.Join(c.Refused(response, data), err)
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("the answer of %s broke off: %w: see its log", c.Base, err)
	}
	return nil
}

// Refused makes an error of an answer that is not a success.
func (c *Client) Refused(response *http.Response, data []byte) error {
	var details problem.Details
	if response.StatusCode == http.StatusUnauthorized {
		if c.token == "" {
			return deniedError{fmt.Sprintf("%s wants a token, and there is none in %s: give --token, TRAMA_TOKEN or the server's workspace (-w)", c.Base, c.tokenFrom)}
		}
		if strings.HasPrefix(response.Header.Get("Content-Type"), problem.ContentType) && json.Unmarshal(data, &details) == nil && details.Code == admin.CodeExpired {
			return deniedError{details.Detail}
		}
		return deniedError{fmt.Sprintf("%s does not accept the token from %s: give the one in %s of its data directory by --token, TRAMA_TOKEN or -w, or one that `trama token create` made", c.Base, c.tokenFrom, admin.TokenFile)}
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), problem.ContentType) && json.Unmarshal(data, &details) == nil && details.Status != 0 {
		return &details
	}
	return fmt.Errorf("%s answered %s: it is not the admin API of a trama server", c.Base, response.Status)
}

// Document is a body that is sent as it is.
type Document []byte

// Change sends a change and says that it was made.
func (p *Program) Change(ctx context.Context, method, path string, body any, said string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintln(p.Stdout, Printable(said))
	return err
}

// Fetch asks for what a command shows. With --json it is printed as it is, and
// done.
func (p *Program) Fetch(ctx context.Context, path string, into any) (done bool, err error) {
	c, err := p.Client()
	if err != nil {
		return false, err
	}
	data, err := c.Do(ctx, http.MethodGet, path, nil, into)
	if err != nil || !p.JSON {
		return false, err
	}
	return true, p.PrintJSON(data)
}
