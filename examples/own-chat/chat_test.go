// Package chat_test holds a conversation with each client of this directory,
// which really runs, over the built binary.
package chat_test

import (
	"bufio"
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

	"github.com/trama-run/trama/examples/guide"
)

const signing = "whsec_c2lnbmVkIGJ5IHRyYW1h"

// patience is how long a step of a conversation may take.
const patience = 30 * time.Second

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
	public, admin, dir := guide.Address(t), guide.Address(t), t.TempDir()
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
	return append(os.Environ(), "TRAMA="+channel, "API_KEY=the api key", "FLOW_KEY=the flow key", "SIGNING="+signing, "SAY_KEY=the say key", "PORT="+port, "PUBLIC=http://"+client)
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
	client := guide.Address(t)
	unsigned := exec.Command(node, "client.mjs")
	unsigned.Env = append(environ(channel, client), "SIGNING=")
	if said, err := unsigned.CombinedOutput(); err == nil || !strings.Contains(string(said), "SIGNING") {
		t.Errorf("without a key to check with: %v: %s", err, said)
	}
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
	client, state := guide.Address(t), t.TempDir()
	env := append(environ(channel, client), "STATE="+state)
	servePHP(t, php, client, env)
	if got := post(t, "http://"+client+"/webhook", "", url.Values{"hub_mode": {"subscribe"}, "hub_challenge": {"x"}}); got != 403 {
		t.Errorf("a challenge without a token, before there is one: %d", got)
	}
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
		if got := post(t, "http://"+client+"/say", "the say key", fields); got != 200 {
			t.Fatalf("%v: %d", fields, got)
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
	for _, key := range []string{"", "a guess"} {
		if got := post(t, "http://"+client+"/say", key, url.Values{"user": {"ana"}, "text": {"x"}}); got != 401 {
			t.Errorf("/say with the key %q: %d", key, got)
		}
	}
	failures(t, php, env, state)
}

// failures are those of a client itself: what it can't take it doesn't answer
// with 200, and takes when it is sent again.
func failures(t *testing.T, php string, env []string, state string) {
	t.Helper()
	list := filepath.Join(state, "messages.txt")
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	client, later := guide.Address(t), filepath.Join(state, "later")
	servePHP(t, php, client, append(env, "STATE="+later))
	key := signingKey(t)
	sends := func(why string, want int) {
		t.Helper()
		now := time.Now()
		if got := send(t, "http://"+client+"/webhook", "m9", sign(key, "m9", now), now); got != want {
			t.Errorf("%s: %d, want %d", why, got, want)
		}
	}
	sends("STATE is missing", 500)
	if err := os.MkdirAll(filepath.Join(later, "messages.txt"), 0o700); err != nil {
		t.Fatal(err)
	}
	sends("the work fails", 500)
	if err := os.Remove(filepath.Join(later, "messages.txt")); err != nil {
		t.Fatal(err)
	}
	sends("all is well again", 200)
	sends("it comes once more", 200)
	if data, err := os.ReadFile(filepath.Join(later, "messages.txt")); err != nil || string(data) != "ana: text signed\n" {
		t.Errorf("the client shows %q, %v", data, err)
	}
	for _, secret := range []string{"", "whsec_", "whsec_*"} {
		unsigned, own, now := guide.Address(t), append(env, "SIGNING="+secret), time.Now()
		servePHP(t, php, unsigned, own)
		if got := send(t, "http://"+unsigned+"/webhook", "m8", sign(nil, "m8", now), now); got != 500 {
			t.Errorf("SIGNING=%s, signed with the empty key: %d", secret, got)
		}
		register := exec.Command(php, "client.php", "register")
		register.Env = own
		if said, err := register.CombinedOutput(); err == nil || !strings.Contains(string(said), "SIGNING") {
			t.Errorf("SIGNING=%s: %v: %s", secret, err, said)
		}
	}
}

func servePHP(t *testing.T, php, client string, env []string) {
	t.Helper()
	c := exec.Command(php, "-S", client, "client.php")
	c.Env, c.Stderr = env, t.Output()
	start(t, c)
	answers(t, "http://"+client+"/")
}

// post posts a form, and gives the answer's status.
func post(t *testing.T, address, key string, fields url.Values) int {
	t.Helper()
	q, err := http.NewRequest("POST", address, strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		q.Header.Set("Authorization", "Bearer "+key)
	}
	return status(t, q)
}

func status(t *testing.T, q *http.Request) int {
	t.Helper()
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// signedBody is what refusals and failures send.
const signedBody = `{"content_type": "text", "content": "signed", "recipient": {"id": "ana"}}`

func signingKey(t *testing.T) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signing, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(key []byte, id string, at time.Time) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), signedBody)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func send(t *testing.T, webhook, id, signature string, at time.Time) int {
	t.Helper()
	q, err := http.NewRequest("POST", webhook, strings.NewReader(signedBody))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Webhook-Id", id)
	q.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	q.Header.Set("Webhook-Signature", signature)
	return status(t, q)
}

// refusals posts to a client what Trama has not signed, and what it has signed
// long ago or sent before.
func refusals(t *testing.T, webhook string, shown func()) {
	t.Helper()
	key, now := signingKey(t), time.Now()
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
		if got := send(t, webhook, c.id, c.signature, c.at); got != c.status {
			t.Errorf("%s: the client answers %d, want %d", c.name, got, c.status)
		}
	}
	shown() // m1, once
	shown() // m3
	if got := post(t, webhook, "", url.Values{"hub_mode": {"subscribe"}, "hub_verify_token": {"a guess"}, "hub_challenge": {"x"}}); got != 403 {
		t.Errorf("a challenge with another token: %d", got)
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
