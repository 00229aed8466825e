package host_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// album is the service of the plugin "album": files and messages of bots, which
// their tokens tell apart.
type album struct {
	*httptest.Server

	mu      sync.Mutex
	files   map[string]func(w http.ResponseWriter, try int) // by token and id; guarded by mu
	tries   map[string]int                                  // guarded by mu
	sent    []photo                                         // guarded by mu
	webhook map[string]abi.Connected                        // by token; guarded by mu
	hooked  []string                                        // bodies of what set webhooks; guarded by mu
}

// photo is a message that came to the album.
type photo struct{ token, to, url, body string }

func newAlbum(t testing.TB, tokens ...string) *album {
	a := &album{files: map[string]func(http.ResponseWriter, int){}, tries: map[string]int{}, webhook: map[string]abi.Connected{}}
	for _, token := range tokens {
		a.webhook[token] = abi.Connected{Account: "bot of " + token[:3]}
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *album) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the host was killed
	}
	a.mu.Lock()
	_, known := a.webhook[token]
	a.tries[path]++
	try := a.tries[path]
	file := a.files[token+"/"+path]
	switch {
	case !known:
		w.WriteHeader(401)
	case path == "messages":
		a.sent = append(a.sent, photo{token, r.Header.Get("X-To"), r.Header.Get("X-URL"), string(body)})
		fmt.Fprintf(w, "m%d", len(a.sent))
	case path == "hook" && r.Method == "PUT":
		var set struct{ URL string }
		if json.Unmarshal(body, &set) == nil {
			a.webhook[token] = abi.Connected{Account: a.webhook[token].Account, Webhook: set.URL}
		}
		a.hooked = append(a.hooked, string(body))
	case path == "hook":
		json.NewEncoder(w).Encode(a.webhook[token])
	case file == nil:
		w.WriteHeader(404)
	default:
		a.mu.Unlock()
		file(w, try)
		return
	}
	a.mu.Unlock()
}

// has gives a bot's album a file.
func (a *album) has(token, id string, file func(w http.ResponseWriter, try int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[token+"/files/"+id] = file
}

// photos gives what came for a person.
func (a *album) photos(to string) (list []photo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.sent {
		if p.to == to {
			list = append(list, p)
		}
	}
	return list
}

func (a *album) tried(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries["files/"+id]
}

// picture is a file of some size that begins as a PNG does.
func picture(size int) string {
	return "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + strings.Repeat("p", size)
}

const (
	salesToken = "111:the-sales-bot"
	helpToken  = "222:the-help-bot"
)

// echo sends what came back to who sent it, and says what is known of it.
const echo = `schema: 1
id: echo
triggers: [{id: start, type: message}]
nodes:
  - {id: any, type: conditional, with: {branches: [{port: got, when: "input.media.blob != nil"}]}}
  - {id: back, type: send_message, with: {media: "{{ input.media }}"}}
  - {id: says, type: send_message, with: {text: "{{ trigger.media.mime }} {{ trigger.media.size }} {{ trigger.media.filename }}"}}
  - {id: none, type: send_message, with: {text: "none: {{ input.media.error.code ?? input.text }}"}}
edges:
  - {from: start, to: any}
  - {from: any, port: got, to: back}
  - {from: back, to: says}
  - {from: any, port: else, to: none}
`

// withAlbum is a workspace with two bots of one adapter.
func withAlbum(t testing.TB, a *album, settings string) map[string]string {
	wasm := guest(t, "album", "1.0.0")
	return map[string]string{
		"trama.yaml":         settings,
		"plugins/album.wasm": wasm,
		"channels.yaml": `- {id: sales, adapter: album, connection: album, config: {owner: ana}, secrets: {bot_token: sales_bot, hook: [sales_old, sales_hook]}}
- {id: help, adapter: album, connection: album, config: {owner: bob}, secrets: {bot_token: help_bot, hook: help_hook}}
`,
		"connections.yaml": `[{id: album, base_url: "` + a.URL + `"}]`,
		"grants.yaml":      `[{plugin: album, of: "sha256:` + sha(wasm) + `", egress: [connection], secrets: [sales_bot, sales_old, sales_hook, help_bot, help_hook]}]`,
		"flows/echo.yaml":  echo,
	}
}

func albumSecrets() map[string]string {
	return map[string]string{"sales_bot": salesToken, "sales_old": "old-sales-hook-token", "sales_hook": "sales-hook-token", "help_bot": helpToken, "help_hook": "help-hook-token"}
}

// comes sends a webhook of the album.
func (i *installation) comes(addr, channel, token, id, from string, m *abi.Media) {
	i.t.Helper()
	body, err := json.Marshal(map[string]any{"units": []any{map[string]any{"id": id, "from": from, "text": "hi", "media": m}}})
	if err != nil {
		i.t.Fatal(err)
	}
	if err := i.send("POST", "http://"+addr+"/hooks/"+channel, string(body), "X-Album-Token", token).want(200); err != nil {
		i.t.Fatal(err)
	}
}

// TestMedia: a medium is fetched before its flow runs, checked, kept for its
// contact, and sent on by reference, on the channel of the bot that got it.
func TestMedia(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, salesToken, helpToken)
	i := install(t, nil, withAlbum(t, a, "public_url: https://bots.example.com\nmedia: {max: 2MiB}\n"))
	i.secrets = albumSecrets()
	i.start()
	data := picture(1<<20 + 7)
	sum := sha256.Sum256([]byte(data))
	plain := func(text string) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Type", "image/jpeg") // which it isn't
			w.Header().Set("X-Name", "cat.png")
			io.WriteString(w, text)
		}
	}
	a.has(salesToken, "cat", plain(data))
	a.has(helpToken, "cat", plain("%PDF-1.7 of the other bot"))
	a.has(salesToken, "big", plain(picture(2<<20)))
	a.has(salesToken, "other", plain("other bytes"))
	a.has(salesToken, "busy", func(w http.ResponseWriter, try int) {
		if try == 1 {
			w.WriteHeader(503)
			return
		}
		io.WriteString(w, picture(5))
	})
	a.has(salesToken, "cut", func(w http.ResponseWriter, _ int) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "cut")
	})
	for n, c := range []struct {
		channel, token, id, hash string
		want                     []string // what comes back, as far as it is told below
	}{
		{"sales", "sales-hook-token", "cat", hex.EncodeToString(sum[:]), []string{data, fmt.Sprintf("image/png %d cat.png", len(data))}},
		{"help", "help-hook-token", "cat", "", []string{"%PDF-1.7 of the other bot", "application/pdf 25 cat.png"}},
		{"sales", "old-sales-hook-token", "busy", "", []string{picture(5), "image/png 21"}},
		{"sales", "sales-hook-token", "big", "", []string{"none: limit"}},
		{"sales", "sales-hook-token", "other", hex.EncodeToString(sum[:]), []string{"none: hash_mismatch"}},
		{"sales", "sales-hook-token", "gone", "", []string{"none: refused"}},
		{"sales", "sales-hook-token", "../../../etc/passwd", "", []string{"none: invalid"}},
	} {
		who := fmt.Sprint("person", n)
		i.comes(i.host.Addr(), c.channel, c.token, "u"+who, who, &abi.Media{Kind: "image", ID: c.id, SHA256: c.hash, MIME: "image/jpeg"})
		i.eventually("what comes back for "+c.id, func() error {
			var got []string
			for _, p := range a.photos(who) {
				got = append(got, p.body)
				if want := map[string]string{"sales": salesToken, "help": helpToken}[c.channel]; p.token != want {
					return fmt.Errorf("it was sent by the bot %s", p.token)
				}
			}
			if !slices.Equal(got, c.want) {
				return fmt.Errorf("got %.80q, want %.80q", got, c.want)
			}
			return nil
		})
	}
	if n := a.tried("cat"); n != 2 {
		t.Errorf("the two cats were fetched %d times", n)
	}
	// A wrong token of the other bot.
	i.problem(i.call("POST", "/hooks/help", "{}", "X-Album-Token", "sales-hook-token"), 401, "token")

	// The address that the service got serves the medium to anybody, for a while.
	address, err := url.Parse(a.photos("person0")[0].url)
	if err != nil || address.Host != "bots.example.com" {
		t.Fatalf("the address is %v, %v", address, err)
	}
	got := i.call("GET", address.RequestURI(), "")
	if got.want(200) != nil || got.body != data || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("%d, %d bytes, %v", got.status, len(got.body), got.header)
	}
	if part := i.call("GET", address.RequestURI(), "", "Range", "bytes=1-3"); part.want(206) != nil || part.body != "PNG" {
		t.Errorf("a range: %d %q", part.status, part.body)
	}
	if head := i.call("HEAD", address.RequestURI(), ""); head.want(200) != nil || head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(data)) {
		t.Errorf("HEAD: %+v", head)
	}
	i.problem(i.call("GET", address.Path, ""), 404, "no_medium")
	i.problem(i.call("GET", strings.Replace(address.RequestURI(), "exp=1", "exp=2", 1), ""), 404, "no_medium")
	i.problem(i.call("GET", "/media/..%2f..%2fetc%2fpasswd?"+address.RawQuery, ""), 404, "no_medium")
	i.problem(i.call("POST", address.RequestURI(), ""), 405, "method")
	if log := i.admin("GET", "/v1/calls", ""); log.want(200) != nil || strings.Contains(log.body, address.Query().Get("sig")) {
		t.Errorf("the call log has the signature of an address: %d", log.status)
	}
	for _, secret := range albumSecrets() {
		if text := i.log.String() + i.admin("GET", "/v1/calls", "").body + i.admin("GET", "/v1/runs", "").body; strings.Contains(text, secret) {
			t.Errorf("%q is in a log", secret)
		}
	}
}

// TestMediaSlowly: a medium that comes slowly holds its contact alone; a kill
// while it comes costs nothing, and the flow sees one message.
func TestMediaSlowly(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, salesToken, helpToken)
	i := install(t, nil, withAlbum(t, a, "{}"))
	i.secrets = albumSecrets()
	child := i.startChild()
	reached, open := make(chan struct{}, 9), make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	t.Cleanup(release)
	a.has(salesToken, "slow", func(w http.ResponseWriter, try int) {
		io.WriteString(w, picture(3)[:4])
		w.(http.Flusher).Flush()
		reached <- struct{}{}
		if try > 1 {
			<-open
		}
		io.WriteString(w, picture(3)[4:])
		if try == 1 {
			w.(http.Flusher).Flush()
			<-open
		}
	})
	i.comes(child.addr, "sales", "sales-hook-token", "u1", "ana", &abi.Media{Kind: "image", ID: "slow"})
	i.reaches(reached)
	i.comes(child.addr, "sales", "sales-hook-token", "u2", "bob", nil)
	i.eventually("bob's answer", func() error {
		if len(a.photos("bob")) != 1 {
			return fmt.Errorf("bob got %q", a.photos("bob"))
		}
		return nil
	})
	child.kill()
	child = i.startChild()
	i.reaches(reached)
	if got := a.photos("ana"); len(got) > 0 {
		t.Errorf("ana got %q before her picture came", got)
	}
	release()
	i.eventually("ana's picture", func() error {
		got := a.photos("ana")
		if len(got) != 2 || got[0].body != picture(3) || got[0].url != "" || !strings.HasPrefix(got[1].body, "image/png") {
			return fmt.Errorf("ana got %q", got)
		}
		return nil
	})
	child.kill()
}

// reaches waits until something has come as far as a test wants.
func (i *installation) reaches(point <-chan struct{}) {
	i.t.Helper()
	select {
	case <-point:
	case <-time.After(patience):
		i.t.Fatal("what the test waits for did not come")
	}
}
