package host_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// TestUnsureSends: a message whose answer is cut off is sent again under the same
// effect id, by which a double is known. One that gets an answer which is none of
// WhatsApp's own is not: it is a dead letter with the code unknown, and goes
// again, under that id too, when an operator says so, unless WhatsApp says what
// became of it.
func TestUnsureSends(t *testing.T) {
	t.Parallel()
	const number, secret, token = "106540352242923", "wa-app-secret-8e22", "wa-token-EAAB-4a44"
	graph, err := graphtest.New(number, token)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	how, tries := "", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		lost := how
		tries++
		mu.Unlock()
		if lost == "" {
			graph.ServeHTTP(w, r)
			return
		}
		graph.ServeHTTP(httptest.NewRecorder(), r) // which takes it
		if lost == "cut" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(502)
		fmt.Fprint(w, "<html>Bad gateway</html>")
	}))
	t.Cleanup(server.Close)
	i := install(t, []string{"whatsapp"}, map[string]string{
		"connections.yaml": fmt.Sprintf("- {id: graph, base_url: %s, auth: {type: bearer, secret: wa_token}}\n", server.URL),
		"channels.yaml":    "- {id: wa, adapter: whatsapp, connection: graph, config: {phone_number_id: \"" + number + "\"}, secrets: {app_secret: wa_app, verify_token: wa_verify, access_token: wa_token}}\n",
		"grants.yaml":      "- {plugin: whatsapp, of: bundled, egress: [connection], secrets: [wa_app, wa_verify, wa_token]}\n",
		"flows/echo.yaml":  says("echo", "type: message", "you wrote {text}"),
	})
	i.secrets = map[string]string{"wa_app": secret, "wa_verify": "wa-verify-2", "wa_token": token}
	i.start()
	set := func(lost string) {
		mu.Lock()
		defer mu.Unlock()
		how, tries = lost, 0
	}
	tried := func() int {
		mu.Lock()
		defer mu.Unlock()
		return tries
	}
	comes := func(id string) {
		t.Helper()
		body, header, err := graph.Webhook(secret, "5511987654321", "Ana", id, time.Now(), map[string]any{"type": "text", "text": map[string]any{"body": "oi"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
			t.Fatal(err)
		}
	}
	// twice wants the messages behind some to be one, sent twice.
	twice := func(behind int) (effectID string) {
		t.Helper()
		messages, _ := graph.Messages()
		if messages = messages[behind:]; len(messages) != 2 || messages[0].Body["biz_opaque_callback_data"] == "" || messages[0].Body["biz_opaque_callback_data"] != messages[1].Body["biz_opaque_callback_data"] {
			t.Fatalf("WhatsApp was sent %+v, want a message twice, under one effect id", messages)
		}
		return fmt.Sprint(messages[0].Body["biz_opaque_callback_data"])
	}
	delivery := func(effectID string) admin.DeliveryInfo {
		return read[admin.DeliveryInfo](i, "/v1/deliveries/"+effectID)
	}

	set("cut")
	comes("wamid.UNSURE1")
	i.eventually("a try", func() error {
		if tried() == 0 {
			return fmt.Errorf("there was none")
		}
		return nil
	})
	set("")
	i.eventually("the message that is sent again", func() error {
		if messages, _ := graph.Messages(); len(messages) < 2 {
			return fmt.Errorf("WhatsApp was sent %d", len(messages))
		}
		return nil
	})
	effectID := twice(0)
	i.eventually("the news of it", func() error {
		if d := read[[]admin.DeliveryInfo](i, "/v1/deliveries?status=sent"); len(d) != 1 || d[0].EffectID != effectID {
			return fmt.Errorf("sent are %+v", d)
		}
		return nil
	})
	i.dead(0)

	set("502")
	comes("wamid.UNSURE2")
	letter := i.dead(1)[0]
	if letter.Reason.Code != abi.CodeUnknown || letter.Channel != "wa" || !strings.Contains(letter.Reason.Message, "may have been sent") {
		t.Errorf("the dead letter is %+v", letter)
	}
	if unsure := read[[]deadletter.Letter](i, "/v1/dead-letters?channel=wa&code=unknown"); len(unsure) != 1 || unsure[0].ID != letter.ID || tried() != 1 {
		t.Errorf("with the code unknown there are %+v, after %d tries", unsure, tried())
	}
	if d := delivery(letter.EffectID); d.State != outbox.StateDead || d.Error == nil || d.Error.Code != abi.CodeUnknown {
		t.Errorf("what became of it is %+v", d)
	}
	set("")
	if err := i.admin("POST", "/v1/dead-letters/"+letter.ID+"/replay", "").want(200); err != nil {
		t.Fatal(err)
	}
	i.eventually("the message that is replayed", func() error {
		if d := delivery(letter.EffectID); d.State != outbox.StateSent {
			return fmt.Errorf("what became of it is %+v", d)
		}
		return nil
	})
	i.dead(0)
	if got := twice(2); got != letter.EffectID {
		t.Errorf("it was sent as %s, want %s", got, letter.EffectID)
	}

	// WhatsApp has it, and says so later: nobody has to look.
	set("502")
	comes("wamid.UNSURE3")
	letter = i.dead(1)[0]
	messages, _ := graph.Messages()
	body, header, err := graph.Status(secret, messages[len(messages)-1], "delivered", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
		t.Fatal(err)
	}
	i.eventually("the news of it", func() error {
		if d := delivery(letter.EffectID); d.State != "delivered" || d.MessageID != messages[len(messages)-1].ID {
			return fmt.Errorf("what became of it is %+v", d)
		}
		return nil
	})
	i.dead(0)
}
