// Package deploy tests the files of this directory, as far as a machine has
// the programs that read them.
package deploy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trama-run/trama/examples/guide"
)

// binary is the built program.
func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../build/trama")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

// program finds a program that may not be there.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI has no %s: .ci/run installs it", name)
		}
		t.Skipf("%s is not installed here", name)
	}
	return path
}

// edited is a file of this directory with other values.
func edited(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(string(data), pairs[n]) {
			t.Fatalf("%s has no %q", name, pairs[n])
		}
	}
	return strings.NewReplacer(pairs...).Replace(string(data))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnit(t *testing.T) {
	analyze := program(t, "systemd-analyze")
	unit := filepath.Join(t.TempDir(), "trama.service")
	write(t, unit, edited(t, "trama.service", "/usr/local/bin/trama", binary(t)))
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), "trama.service") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command(analyze, "security", "--offline=true", "--threshold=25", unit).CombinedOutput()
	if err != nil {
		t.Errorf("more exposed than 2.5 of 10: %v: %s", err, out)
	}
}

// serve serves a workspace, as the unit does, until the test ends: it is told
// where the service manager listens. It is ready when serve returns.
func serve(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	manager := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: manager, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "serve", "-w", dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		message := make([]byte, 64)
		if n, err := l.Read(message); err != nil || string(message[:n]) != "STOPPING=1" {
			t.Errorf("the service manager is told %q, %v", message[:n], err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("ended with %v", err)
		}
		l.Close()
	})
	if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 64)
	n, err := l.Read(message)
	if err != nil || string(message[:n]) != "READY=1" {
		t.Fatalf("the service manager is told %q, %v", message[:n], err)
	}
	return cmd
}

// pair writes a certificate for api.example.com and its key, and returns a pool
// that trusts it.
func pair(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		DNSNames: []string{"api.example.com"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, cert, string(text))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// TestBehindNginx calls a server through nginx, as the files here configure
// both; the admin listener speaks TLS, and the health check of the container
// trusts it by the workspace alone.
func TestBehindNginx(t *testing.T) {
	nginx := program(t, "nginx")
	dir, front := t.TempDir(), t.TempDir()
	public, admin, outside := guide.Address(t), guide.Address(t), guide.Address(t)
	write(t, filepath.Join(dir, "trama.yaml"), edited(t, "trama.yaml",
		"127.0.0.1:8080", public, "127.0.0.1:8081", admin, "/var/lib/trama", filepath.Join(dir, "data"), "drain_delay: 5s", "drain_delay: 10ms")+
		"admin_tls: {cert: admin.pem, key: admin.key}\n")
	pair(t, filepath.Join(dir, "admin.pem"), filepath.Join(dir, "admin.key"))
	write(t, filepath.Join(dir, "routes.yaml"), "- {method: GET, path: /see/:name, flow: see, security: {public: true}}\n- {method: POST, path: /see, flow: see, security: {public: true}}\n- {method: GET, path: /client, flow: see, security: {clients: any}}\n")
	write(t, filepath.Join(dir, "flows", "see.yaml"), `schema: 1
id: see
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: {ip: "{{ input.client.ip }}", name: "{{ input.params.name }}", path: "{{ input.path }}"}}}]
edges: [{from: start, to: reply}]
`)
	serve(t, dir)

	pool := pair(t, filepath.Join(front, "cert.pem"), filepath.Join(front, "key.pem"))
	config := filepath.Join(front, "nginx.conf")
	write(t, config, fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr warn;\n", front)+edited(t, "nginx.conf",
		"127.0.0.1:8080", public, "listen 443 ssl", "listen "+outside+" ssl", "/etc/nginx/tls/", front+"/", "worker_processes auto;", "",
		"http {\n", "http {\n    access_log off;\n    client_body_temp_path "+front+"/body;\n    proxy_temp_path "+front+"/proxy;\n    fastcgi_temp_path "+front+"/f;\n    uwsgi_temp_path "+front+"/u;\n    scgi_temp_path "+front+"/s;\n"))
	proxy := exec.Command(nginx, "-c", config, "-p", front)
	said, err := proxy.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Process.Kill(); proxy.Wait() }) //nolint:errcheck // how it ends is of no interest
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Log("nginx: " + lines.Text())
		}
	}()

	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "api.example.com"},
	}}
	defer client.CloseIdleConnections()
	call := func(method, path, body string, headers ...string) (*http.Response, string, error) {
		request, err := http.NewRequest(method, "https://"+outside+path, strings.NewReader(body))
		if err != nil {
			return nil, "", err
		}
		for n := 0; n < len(headers); n += 2 {
			request.Header.Set(headers[n], headers[n+1])
		}
		a, err := client.Do(request)
		if err != nil {
			return nil, "", err
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		return a, string(text), err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, _, err = call("GET", "/", ""); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"the caller is nginx's peer", "GET", "/api/see/me", "", nil, 200, `"ip":"127.0.0.1"`},
		{"an address that the caller gave is not believed", "GET", "/api/see/me", "", []string{"X-Forwarded-For", "10.9.8.7", "Forwarded", "for=10.9.8.7"}, 200, `"ip":"127.0.0.1"`},
		{"the path comes as it was sent", "GET", "/api/see/a%2Fb%20c", "", nil, 200, `"name":"a/b c"`},
		{"dots are refused", "GET", "/api/see/%2e%2e", "", nil, 400, ""},
		{"client_id arrives", "GET", "/api/client", "", []string{"client_id", "unknown"}, 401, "unauthorized"},
		{"too large a body", "POST", "/api/see", strings.Repeat("x", 5<<20), nil, 413, "too_big"},
		{"a body", "POST", "/api/see", strings.Repeat(" ", 3<<20) + "1", []string{"Content-Type", "application/json"}, 200, "ip"},
		{"the admin API is not here", "GET", "/v1/runs", "", nil, 404, "no_path"},
	} {
		a, text, err := call(c.method, c.path, c.body, c.headers...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if a.StatusCode != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: status %d: %s", c.name, a.StatusCode, text)
		}
		if a.ProtoMajor != 2 {
			t.Errorf("%s: over %s", c.name, a.Proto)
		}
		if c.status >= 400 && a.StatusCode >= 400 && !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") && c.name != "dots are refused" { // nginx answers dots itself
			t.Errorf("%s: a problem in %s", c.name, a.Header.Get("Content-Type"))
		}
	}

	out, err := exec.Command(binary(t), "health", "-w", dir, "--json").Output()
	var health struct {
		Status string `json:"status"`
		Checks []struct{ Name, State, Detail string }
	}
	if err != nil || json.Unmarshal(out, &health) != nil || health.Status != "ready" {
		t.Errorf("health: %v: %s", err, out)
	}
	for _, c := range health.Checks {
		if c.State != "ok" {
			t.Errorf("health: %+v", c)
		}
	}
	pair(t, filepath.Join(dir, "admin.pem"), filepath.Join(dir, "admin.key")) // renewed
	time.Sleep(time.Second)                                                   // as often as the files are looked at
	if out, err := exec.Command(binary(t), "health", "-w", dir, "--alive").CombinedOutput(); err != nil {
		t.Errorf("with a renewed certificate: %v: %s", err, out)
	}
	other := filepath.Join(t.TempDir(), "ca.pem")
	pair(t, other, filepath.Join(filepath.Dir(other), "key.pem"))
	if out, err := exec.Command(binary(t), "health", "--server", "https://"+admin, "--token", "t", "--ca", other).CombinedOutput(); err == nil || !strings.Contains(string(out), "--ca") {
		t.Errorf("with another authority: %v: %s", err, out)
	}
}

// TestContainerfile: what it copies is there to be copied, and the commands
// that it runs are commands. (No container is built here.)
func TestContainerfile(t *testing.T) {
	text := edited(t, "Containerfile")
	for line := range strings.Lines(text) {
		at := strings.Index(line, `["/usr/local/bin/trama", `)
		if strings.HasPrefix(line, "CMD [") {
			at = strings.Index(line, "[")
		}
		if at < 0 {
			continue
		}
		var command []string
		if err := json.Unmarshal([]byte(line[at:]), &command); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if command[0] == "/usr/local/bin/trama" {
			command = command[1:]
		}
		if out, err := exec.Command(binary(t), append(command, "--help")...).CombinedOutput(); err != nil {
			t.Errorf("trama %s: %v: %s", strings.Join(command, " "), err, out)
		}
	}
	if !strings.Contains(text, "\nUSER 65532") || !strings.Contains(text, "FROM scratch") {
		t.Error("it runs as root, or with a shell")
	}
}
