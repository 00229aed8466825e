package host_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/store"
)

// guestMemory returns the linear memory of all plugins in this process: the
// mappings of images, and what was grown behind them.
func guestMemory() ([]byte, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	var all []byte
	var end uint64 // of the last mapping that was a guest's
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil {
			return nil, err
		}
		fields := strings.Fields(lines.Text())
		guests := strings.Contains(lines.Text(), "memfd:trama-image") || from == end && len(fields) == 5
		if !guests || !strings.HasPrefix(mode, "r") {
			continue
		}
		end = to
		part := make([]byte, to-from)
		if _, err := memory.ReadAt(part, int64(from)); err != nil {
			continue // unmapped by now
		}
		all = append(all, part...)
	}
	return all, lines.Err()
}

// TestCanary: the bytes of secrets are not in a plugin's memory, while a call
// runs whose requests another system mirrors in many spellings; nor in what the
// call leaves: its answer, traces, logs, and the files of the store. In the same
// places the search finds what the same answers carry beside them.
func TestCanary(t *testing.T) {
	t.Parallel()
	const planted = "planted-77c1e0"
	canaries := map[string]string{
		"client": "canary-client-1f0b", "refresh": "canary-refresh-c3d9", "probe_key": "canary-probe-6e2a", "probe_sign": "canary-sign-0123456789-0123456789",
		"post_key": postKey, "peer_token": "canary-peer-88f1",
	}
	issued := map[string]string{"token": "canary-token-d00d", "rotated": "canary-rotated-4b4b"}
	var mu sync.Mutex
	var scanned [][]byte // guarded by mu
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/token":
			fmt.Fprintf(w, `{"access_token": %q, "expires_in": 3600, "refresh_token": %q}`, issued["token"], issued["rotated"])
		case "/scan":
			memory, err := guestMemory()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			scanned = append(scanned, memory)
		default:
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the host was killed
			}
			text := r.RequestURI + " " + string(body) + fmt.Sprint(r.Header)
			w.Header().Set("X-Mirror", r.Header.Get("Authorization")+" "+r.Header.Get("X-Key"))
			fmt.Fprint(w, planted, text)
			for _, value := range []string{r.Header.Get("X-Key"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), canaries["client"], canaries["refresh"], issued["rotated"]} {
				for _, form := range spellings(value) {
					fmt.Fprintln(w, form)
				}
			}
		}
	}))
	t.Cleanup(mirror.Close)
	p := newPeer(t)
	const nodes = `
nodes:
  - {id: probe, type: prober.probe, connection: mirror, with: {mine: "{{ trigger.text ?? trigger.body }}"}}
`
	files := withPost(t, p, `schema: 1
id: talk
triggers: [{id: start, type: message}]`+nodes+`  - {id: say, type: send_message, with: {text: "{{ string(input)[:2000] }}"}}
edges: [{from: start, to: probe}, {from: probe, to: say}]
`)
	files["flows/ask.yaml"] = `schema: 1
id: ask
triggers: [{id: start, type: gateway}]` + nodes + `  - {id: say, type: response.json, with: {body: "{{ input }}"}}
edges: [{from: start, to: probe}, {from: probe, to: say}]
`
	files["routes.yaml"] = "- {method: POST, path: /ask, flow: ask}\n"
	files["plugins/prober.wasm"] = guest(t, "prober", "1.0.0")
	files["grants.yaml"] += `- {plugin: prober, of: "sha256:` + sha(files["plugins/prober.wasm"]) + `", egress: [connection], secrets: [probe_key], bound: {probe_key: [connection]}, keys: [probe_sign], kv: 1MiB}
`
	files["connections.yaml"] = `- {id: mirror, base_url: "` + mirror.URL + `", auth: {type: oauth2, grant: refresh_token, token_url: "` + mirror.URL + `/token", client_id: trama, secret: client, refresh_token: refresh}}
` + "- " + strings.Trim(files["connections.yaml"], "[]") + "\n"
	i := install(t, nil, files)
	i.secrets = canaries
	i.start()
	var a answer
	i.within(startPatience, "an answer, once the plugin is compiled", func() error {
		a = i.call("POST", "/api/ask", planted, "Content-Type", "text/plain")
		return a.want(200)
	})
	i.accepted("d", unit{ID: "u", From: "ana", Text: planted})
	p.first(i, 1)

	texts := map[string]string{"the answer": a.body, "the log": i.log.String(), "the message": p.got()[0].Body}
	for _, r := range i.runs() {
		texts["the traces"] += i.admin("GET", "/v1/runs/"+r.ID, "").body
	}
	for n, memory := range scanned {
		texts[fmt.Sprint("a plugin's memory, ", n)] = string(memory)
	}
	i.inStore(func(s store.Store) {
		texts["the store's files"] = filesOf(t, i.data)
		for _, kind := range []store.Kind{"run", "session", "contact", "kv-index", "kv-value", "blob", "blob-piece", "delivery"} {
			records, err := s.List(t.Context(), kind, "", 1000, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				texts["the store's records"] += string(r.Value)
			}
		}
	})

	for _, place := range []string{"the answer", "the message", "the traces", "a plugin's memory, 0", "a plugin's memory, 1", "the store's files", "the store's records"} {
		if !slices.Contains(find(texts, planted), place) {
			t.Errorf("the search does not find what is planted in %s (%d bytes)", place, len(texts[place]))
		}
	}
	if !strings.Contains(texts["the answer"], "secretref_AAAAAAAAAAAAAAAAAAAAAAAAAA {{secret:probe_key}}") {
		t.Errorf("what the data spells was replaced in %s", texts["the answer"])
	}
	for _, all := range []map[string]string{canaries, issued} {
		for name, value := range all {
			if places := find(texts, value); len(places) > 0 {
				t.Errorf("the secret %s is in %q", name, places)
			}
		}
	}
}

// spellings are the forms in which find looks for a value, and others.
func spellings(value string) []string {
	raw := []byte(value)
	return []string{
		value, url.QueryEscape(value), fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprintf("%q", value),
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString([]byte("user:" + value)),
	}
}

// filesOf reads all files under a directory.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
