// Package chat_test holds a conversation with each client of this directory,
// which really runs, over the built binary.
package chat_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const signing = "whsec_c2lnbmVkIGJ5IHRyYW1h"

// patience is how long a step of a conversation may take.
const patience = 30 * time.Second

// free gives an address on loopback that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a command until the test is over.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill() //nolint:errcheck // it may have ended
		c.Wait()         //nolint:errcheck // it was killed
	})
}

// answers waits until a URL is answered.
func answers(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing answers at %s", url)
		}
	}
}

// serve runs Trama with this workspace, and gives the address of the channel
// and the directory of the workspace.
func serve(t *testing.T) (channel, workspace string) {
	t.Helper()
	binary, err := filepath.Abs("../../build/trama")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	public, admin, dir := free(t), free(t), t.TempDir()
	for _, name := range []string{"trama.yaml", "channels.yaml", "flows/quote.yaml"} {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		text := strings.NewReplacer("127.0.0.1:8093", public, "127.0.0.1:8094", admin, "../../build/cache", "cache").Replace(string(data))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(binary, "serve", "-w", dir)
	c.Env = append(os.Environ(), "TRAMA_SECRET_CHAT_API_KEY=the api key", "TRAMA_SECRET_CHAT_FLOW_KEY=the flow key", "TRAMA_SECRET_CHAT_SIGNING="+signing)
	c.Stderr = t.Output()
	start(t, c)
	answers(t, "http://"+admin+"/healthz")
	return "http://" + public + "/hooks/chat", dir
}

// environ is that of a client.
func environ(channel, client string) []string {
	_, port, _ := net.SplitHostPort(client)
	return append(os.Environ(), "TRAMA="+channel, "API_KEY=the api key", "FLOW_KEY=the flow key", "SIGNING="+signing, "PORT="+port, "PUBLIC=http://"+client)
}

// tool finds a program; without it the test is skipped, but not in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "1" {
			t.Fatalf("%v: install it, as .ci/run does", err)
		}
		t.Skipf("%s is not installed: %v", name, err)
	}
	return path
}

func TestNode(t *testing.T) {
	node := tool(t, "node")
	channel, _ := serve(t)
	client := free(t)
	c := exec.Command(node, "client.mjs")
	c.Env, c.Stderr = environ(channel, client), t.Output()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	want := func(text string) {
		t.Helper()
		select {
		case line, there := <-lines:
			if !there || line != text {
				t.Fatalf("the client shows %q, want %q", line, text)
			}
		case <-time.After(patience):
			t.Fatalf("the client shows nothing, want %q", text)
		}
	}
	say := func(line string) {
		t.Helper()
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	want("webhook verified")
	say("ana: hello")
	want("-> ana: button_template Hello, ana! Would you like a quote? [Yes, please #yes] [No, thanks #no]")
	say("bob: hi")
	want("-> bob: button_template Hello, bob! Would you like a quote? [Yes, please #yes] [No, thanks #no]")
	say("bob: no thanks") // writes what another presses
	want("-> bob: text As you like. Bye!")
	say("ana# yes")
	want("-> ana: text For which company?")
	say("ana: Acme & Cia")
	want("-> ana: generic_template Two plans, Acme & Cia: {Small up to 10 people image https://example.com/small.png [Take Small #small]} {Large any number [Take Large #large] [Details <https://example.com/large>]}")
	say("ana# large")
	want("-> ana: file The plan large for Acme & Cia: here is your quote. file https://example.com/quote.pdf")
	refusals(t, "http://"+client+"/webhook", func() {
		want("-> ana: text signed")
	})
	management(t, channel)
}

func TestPHP(t *testing.T) {
	php := tool(t, "php")
	channel, _ := serve(t)
	client, state := free(t), t.TempDir()
	env := append(environ(channel, client), "STATE="+state)
	c := exec.Command(php, "-S", client, "client.php")
	c.Env, c.Stderr = env, t.Output()
	start(t, c)
	answers(t, "http://"+client+"/")
	register := exec.Command(php, "client.php", "register")
	register.Env = env
	if said, err := register.CombinedOutput(); err != nil || string(said) != "webhook verified\n" {
		t.Fatalf("%v: %s", err, said)
	}
	wrong := exec.Command(php, "client.php", "register")
	wrong.Env = append(env, "API_KEY=another")
	if said, err := wrong.CombinedOutput(); err == nil || !strings.Contains(string(said), "401") {
		t.Errorf("a wrong key: %v: %s", err, said)
	}
	register = exec.Command(php, "client.php", "register") // the token of the refused one is kept
	register.Env = env
	if said, err := register.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	shown := 0
	want := func(text string) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			data, err := os.ReadFile(filepath.Join(state, "messages.txt"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
			if len(data) > 0 && len(lines) > shown {
				if lines[shown] != text {
					t.Fatalf("the client shows %q, want %q", lines[shown], text)
				}
				shown++
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the client shows nothing, want %q", text)
			}
		}
	}
	say := func(fields url.Values) {
		t.Helper()
		answer, err := http.PostForm("http://"+client+"/say", fields)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != 200 {
			body, err := io.ReadAll(answer.Body)
			t.Fatalf("%d: %s, %v", answer.StatusCode, body, err)
		}
	}
	say(url.Values{"user": {"ana"}, "text": {"olá"}})
	want("ana: button_template Hello, ana! Would you like a quote? [Yes, please #yes] [No, thanks #no]")
	say(url.Values{"user": {"ana"}, "payload": {"yes"}})
	want("ana: text For which company?")
	say(url.Values{"user": {"ana"}, "text": {"Açúcar Ltda."}})
	want("ana: generic_template Two plans, Açúcar Ltda.: {Small} {Large}")
	say(url.Values{"user": {"ana"}, "text": {"take small"}})
	want("ana: file The plan small for Açúcar Ltda.: here is your quote. file https://example.com/quote.pdf")
	refusals(t, "http://"+client+"/webhook", func() {
		want("ana: text signed")
	})
}

// refusals posts to a client what Trama has not signed, and what it has signed
// long ago or sent before.
func refusals(t *testing.T, webhook string, shown func()) {
	t.Helper()
	body := []byte(`{"content_type": "text", "content": "signed", "recipient": {"id": "ana"}}`)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signing, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key []byte, id string, at time.Time) string {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	now := time.Now()
	for _, c := range []struct {
		name, id, signature string
		at                  time.Time
		status              int
	}{
		{"no signature", "m1", "", now, 401},
		{"another key", "m1", sign([]byte("another"), "m1", now), now, 401},
		{"another id", "m2", sign(key, "m1", now), now, 401},
		{"another time", "m1", sign(key, "m1", now), now.Add(time.Second), 401},
		{"an old one", "m1", sign(key, "m1", now.Add(-time.Hour)), now.Add(-time.Hour), 401},
		{"half of it", "m1", sign(key, "m1", now)[:20], now, 401},
		{"right, among others", "m1", "v1,AAAA " + sign(key, "m1", now), now, 200},
		{"the same again", "m1", sign(key, "m1", now), now, 200}, // and is not shown again
		{"another one", "m3", sign(key, "m3", now), now, 200},
	} {
		q, err := http.NewRequest("POST", webhook, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Webhook-Id", c.id)
		q.Header.Set("Webhook-Timestamp", strconv.FormatInt(c.at.Unix(), 10))
		q.Header.Set("Webhook-Signature", c.signature)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%s: the client answers %d, want %d", c.name, answer.StatusCode, c.status)
		}
	}
	shown() // m1, once
	shown() // m3
	form := url.Values{"hub_mode": {"subscribe"}, "hub_verify_token": {"a guess"}, "hub_challenge": {"x"}}
	answer, err := http.PostForm(webhook, form)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 403 {
		t.Errorf("a challenge with another token: %d", answer.StatusCode)
	}
}

// management tries the channel's own address with what it must refuse.
func management(t *testing.T, channel string) {
	t.Helper()
	for _, c := range []struct {
		name, url, key, body string
		status               int
		want                 string
	}{
		{"no key", channel + "?action=get-webhook", "", `{"workspace": 42, "email": "ops@example.com"}`, 401, `"token"`},
		{"another key", channel + "?action=get-webhook", "guess", `{"workspace": 42, "email": "ops@example.com"}`, 401, `"token"`},
		{"another workspace", channel + "?action=get-webhook", "the api key", `{"workspace": 43, "email": "ops@example.com"}`, 403, `"workspace"`},
		{"another action", channel + "?action=x", "the api key", `{"workspace": 42, "email": "ops@example.com"}`, 400, `"action"`},
		{"another bot_url", channel + "/bot/0000", "the flow key", `{"content": "x", "sender": {"id": 1}}`, 401, `"token"`},
		{"another path", channel + "/x", "the flow key", `{}`, 404, `"no_path"`},
		{"the key in the body", channel + "?action=get-webhook", "", `{"workspace": "42", "email": "ops@example.com", "ChaveApi": "the api key"}`, 200, `"webhook_status":"verified"`},
		{"removal", channel + "?action=delete-webhook", "the api key", `{"workspace": 42, "email": "ops@example.com"}`, 200, `"webhook_status":"none"`},
	} {
		q, err := http.NewRequest("POST", c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.key != "" {
			q.Header.Set("Authorization", "Bearer "+c.key)
		}
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s, %v", c.name, answer.StatusCode, body, err)
		}
	}
}
