package host_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/plugins/hubspot/hubspottest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

const appSecret = "hubspot-app-secret-of-nobody"

// workflow plays HubSpot: it sends executions of actions, signed.
type workflow struct {
	*installation
	of      *testing.T
	version int // of the signature
}

// execute sends an execution and gives the output fields of its answer.
func (w workflow) execute(action, callback string, fields map[string]string) map[string]string {
	w.t.Helper()
	a := w.sendSigned(action, appSecret, callback, fields)
	if err := a.want(200); err != nil {
		w.t.Fatal(err)
	}
	var body struct {
		Fields map[string]string `json:"outputFields"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		w.t.Fatalf("%v: %s", err, a.body)
	}
	return body.Fields
}

func (w workflow) sendSigned(action, secret, callback string, fields map[string]string) answer {
	w.t.Helper()
	body := asJSON(w.of, map[string]any{
		"callbackId": callback, "origin": map[string]any{"portalId": 102670506, "actionDefinitionId": 10646377, "actionDefinitionVersion": 1},
		"object": map[string]any{"objectId": 904, "objectType": "CONTACT"}, "inputFields": fields,
	})
	path := "/api/hubspot/" + action
	address := "https://bots.example.com" + path
	headers := []string{"Content-Type", "application/json"}
	if w.version == 2 {
		sum := sha256.Sum256([]byte(secret + "POST" + address + body))
		headers = append(headers, "X-HubSpot-Signature-Version", "v2", "X-HubSpot-Signature", hex.EncodeToString(sum[:]))
	} else {
		stamp := fmt.Sprint(time.Now().UnixMilli())
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("POST" + address + body + stamp))
		headers = append(headers, "X-HubSpot-Request-Timestamp", stamp, "X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return w.call("POST", path, body, headers...)
}

// exampleFiles reads a workspace of examples, with other addresses.
func exampleFiles(t *testing.T, name string, replace ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	dir := filepath.Join("..", "examples", name)
	for _, pattern := range []string{"*.yaml", "flows/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(dir, file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, ".test.yaml") {
				files[filepath.ToSlash(rel)] = strings.NewReplacer(replace...).Replace(string(data))
			}
		}
	}
	if len(files) < 4 {
		t.Fatalf("the example %s has %d files", name, len(files))
	}
	return files
}

// TestHubSpotApp: a workflow of HubSpot starts a flow for a contact, looks what
// came of it, and waits for its end; the host is restarted while it waits.
func TestHubSpotApp(t *testing.T) {
	t.Parallel()
	hub, err := hubspottest.New()
	if err != nil {
		t.Fatal(err)
	}
	hub.Guard(t)
	bot := telegramtest.New(botToken)
	crm, api := httptest.NewServer(hub), httptest.NewServer(bot)
	t.Cleanup(crm.Close)
	t.Cleanup(func() { api.CloseClientConnections(); api.Close() })
	files := exampleFiles(t, "hubspot-app", "https://api.hubapi.com", crm.URL, "https://api.telegram.org", api.URL, "pause: 30", "pause: 1", "flow.pause * 2", "flow.pause")
	i := install(t, []string{"hubspot", "telegram"}, files)
	i.secrets = map[string]string{"shop_bot": botToken, "shop_hook": hookToken, "hubspot_app": appSecret, "hubspot_token": hubspottest.Token}
	i.start()
	w := workflow{i, t, 3}

	const ana = "tg/telegram:5511223344"
	started := w.execute("start-flow", "ap-1-1", map[string]string{"flow": "welcome", "contact": ana, "name": "Ana"})
	if started["hs_execution_state"] != "SUCCESS" || started["run"] == "" {
		t.Fatalf("the start gave %v", started)
	}
	question, n := i.asked(bot, 0, "sendMessage")
	if question.Text("text") != "Hello Ana! What are you looking for?" {
		t.Errorf("asked %s", asJSON(t, question.Params))
	}
	if again := w.execute("start-flow", "ap-1-1", map[string]string{"flow": "welcome", "contact": ana, "name": "Ana"}); again["run"] != started["run"] {
		t.Errorf("the same execution again gave %v", again)
	}
	w.version = 2
	look := w.execute("check-run", "ap-1-2", map[string]string{"run": started["run"], "property": "interest"})
	if look["hs_execution_state"] != "SUCCESS" || look["status"] != "waiting" || look["value"] != "" {
		t.Errorf("while it waits: %v", look)
	}
	block := w.execute("check-run", "ap-1-3", map[string]string{"run": started["run"], "property": "interest", "wait": "yes"})
	if block["hs_execution_state"] != "BLOCK" || block["hs_expiration_duration"] == "" {
		t.Errorf("asked to wait: %v", block)
	}
	for name, fields := range map[string]map[string]string{
		"ap-2-1": {"flow": "nothing", "contact": ana}, "ap-2-2": {"flow": "welcome", "contact": "ana"}, "ap-2-3": {"flow": "welcome", "contact": "sms/phone:1"},
	} {
		if got := w.execute("start-flow", name, fields); got["hs_execution_state"] != "FAIL_CONTINUE" || got["problem"] == "" {
			t.Errorf("%v: %v", fields, got)
		}
	}
	if got := w.execute("check-run", "ap-2-4", map[string]string{"run": "none"}); got["hs_execution_state"] != "FAIL_CONTINUE" || !strings.Contains(got["problem"], "none") {
		t.Errorf("a run that is not: %v", got)
	}
	i.problem(w.sendSigned("start-flow", "somebody else's", "ap-3-1", nil), 401, "unauthorized")
	i.problem(i.call("POST", "/api/hubspot/start-flow", `{"callbackId": "ap-3-2", "inputFields": {}}`, "Content-Type", "application/json"), 401, "unauthorized")

	i.restart()
	i.told(fromAna(7, `"text":"A bicycle"`))
	if thanks, _ := i.asked(bot, n, "sendMessage"); thanks.Text("text") != "Thank you, we will call you." {
		t.Errorf("then %s", asJSON(t, thanks.Params))
	}
	i.eventually("the callback", func() error {
		if got := hub.Completed("ap-1-3"); got["value"] != "A bicycle" || got["status"] != "done" || got["hs_execution_state"] != "SUCCESS" {
			return fmt.Errorf("the callback had %v", got)
		}
		return nil
	})
	if end := w.execute("check-run", "ap-1-4", map[string]string{"run": started["run"], "property": "interest", "wait": "yes"}); end["value"] != "A bicycle" || end["hs_execution_state"] != "SUCCESS" {
		t.Errorf("when it was over: %v", end)
	}
}

// TestHubSpotAppReplay: version 2 signs no time, so what was captured is genuine
// for ever. The routes that take it know their keys as long as a host can, which
// is beyond the three days over which HubSpot repeats.
func TestHubSpotAppReplay(t *testing.T) {
	t.Parallel()
	var routes []catalog.Route
	if problems := source.Decode("routes.yaml", []byte(exampleFiles(t, "hubspot-app")["routes.yaml"]), &routes); problems != nil {
		t.Fatal(problems)
	}
	untimed := 0
	for _, r := range routes {
		if !slices.ContainsFunc(r.Security, func(w access.Way) bool { return w.Service != nil && w.Service.Scheme.Preset == "hubspot-v2" }) {
			continue
		}
		untimed++
		if r.Idempotency == nil || time.Duration(r.Idempotency.TTL) != catalog.MaxKeyTTL {
			t.Errorf("%s: idempotency %+v, want ttl: %s", r.Name(), r.Idempotency, catalog.MaxKeyTTL)
		}
	}
	if untimed != 2 {
		t.Errorf("%d routes take version 2, want 2", untimed)
	}
}
