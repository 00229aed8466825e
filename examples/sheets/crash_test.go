package sheets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/examples/guide"
	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

const rows = 30

// TestKilledBroadcast kills the host when the first message of a broadcast has
// gone out and no row is marked. The next host ends the broadcast: each row started one
// conversation, and is marked; a second broadcast starts none.
func TestKilledBroadcast(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sheets := sheetstest.New("not-a-token")
	sheets.Guard(t)
	cells := [][]any{{"invoice", "name", "chat", "amount", "due", "sent", "answer", "note"}}
	for i := range rows {
		cells = append(cells, []any{fmt.Sprintf("F-%d", i), "Ana", json.Number(fmt.Sprint(700100200300 + i)), "R$ 1,00", "30/11/2026"})
	}
	sheets.Put("1InventedInvoices", "Invoices", cells...)
	var passes atomic.Bool // what marks the rows
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/values:batchUpdate") && !passes.Load() {
			io.Copy(io.Discard, r.Body) //nolint:errcheck // so that the server sees the client go
			<-r.Context().Done()
			return
		}
		sheets.ServeHTTP(w, r)
	}))
	defer google.Close()
	bot := telegramtest.New("700000000:not-a-token")
	telegram := httptest.NewServer(bot)
	defer telegram.Close()

	root := guide.Checkout(t)
	host := &server{t: t, root: root, public: guide.Address(t), admin: guide.Address(t)}
	host.rewrite("trama.yaml", "127.0.0.1:8180", host.public, "127.0.0.1:8181", host.admin)
	host.rewrite("connections.yaml", "http://127.0.0.1:8182\n", google.URL+"\n", "http://127.0.0.1:8183", telegram.URL,
		`{type: service_account, secret: google_key, scopes: ["https://www.googleapis.com/auth/spreadsheets"], token_url: "http://127.0.0.1:8182/token"}`, `{type: bearer, secret: google_key}`)

	host.start()
	host.broadcast()
	if _, _, err := bot.Await(ctx, 0, "sendMessage"); err != nil {
		t.Fatal(err)
	}
	host.kill()
	passes.Store(true)
	host.start()
	for {
		now, more := sheets.Watch("1InventedInvoices", "Invoices")
		if marked(now) == rows {
			break
		}
		select {
		case <-more:
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d rows are marked", marked(now), rows)
		}
	}
	sent := map[string]int{}
	for next := 0; len(sent) < rows; {
		call, at, err := bot.Await(ctx, next, "sendMessage")
		if err != nil {
			t.Fatal(err)
		}
		sent[string(call.Params["chat_id"])]++
		next = at
	}
	// Sending is at least once: what was on its way when the host was killed may
	// have gone out again, and nothing else.
	for chat, n := range sent {
		if n > 2 {
			t.Errorf("chat %s got %d messages", chat, n)
		}
	}
	host.broadcast()
	host.ended("broadcast", 2)
	if n := len(host.runs("reminder")); n != rows {
		t.Errorf("%d conversations were started, want %d", n, rows)
	}
	host.kill()
	if faults := bot.Faults(); len(faults) > 0 {
		t.Errorf("the Bot API refused: %q", faults)
	}
}

// marked counts the rows that say when they were sent.
func marked(cells [][]any) (n int) {
	for _, row := range cells[1:] {
		if len(row) > 5 && row[5] != "" {
			n++
		}
	}
	return n
}

// server is a host that serves the workspace.
type server struct {
	t                   *testing.T
	root, public, admin string
	cmd                 *exec.Cmd
	log                 bytes.Buffer
}

func (s *server) rewrite(file string, pairs ...string) {
	path := filepath.Join(s.root, "examples", "sheets", file)
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(data, []byte(pairs[i])) {
			s.t.Fatalf("%s has no %q", file, pairs[i])
		}
	}
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(filepath.Join(s.root, "build", "trama"), "serve", "-w", filepath.Join(s.root, "examples", "sheets"))
	s.cmd.Env = append(s.cmd.Environ(), "TRAMA_SECRET_GOOGLE_KEY=not-a-token", "TRAMA_SECRET_TG_BOT=700000000:not-a-token", "TRAMA_SECRET_TG_HOOK=not-a-webhook-secret")
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill() //nolint:errcheck // it has ended
			cmd.Wait()         //nolint:errcheck // killed
		}
		if s.t.Failed() {
			s.t.Logf("%s", &s.log)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get("http://" + s.admin + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == 200 {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the host is not ready")
		}
	}
}

func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err == nil {
		s.t.Fatal("the host ended by itself")
	}
}

func (s *server) broadcast() {
	s.t.Helper()
	answer, err := http.Post("http://"+s.public+"/api/broadcasts", "application/json", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		s.t.Fatalf("the broadcast is answered %s", answer.Status)
	}
}

// runs lists the runs of a flow, by their states.
func (s *server) runs(flow string) (states []string) {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(s.root, "build", "trama"), "runs", "list", "-w", filepath.Join(s.root, "examples", "sheets"), "--flow", flow, "--limit", "200", "--json").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	var list []struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	for _, one := range list {
		states = append(states, one.Status)
	}
	return states
}

// ended waits until a flow has n runs that are done.
func (s *server) ended(flow string, n int) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		states := s.runs(flow)
		if strings.Count(strings.Join(states, " "), "done") == n {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the runs of %s are %q, want %d done", flow, states, n)
		}
	}
}
