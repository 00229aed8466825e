package host_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/pdk/abi"
)

// TestConnectAndCheck: a service is told where webhooks go with the channel's
// own secrets, and a check follows a sample to where its adapter has read it,
// and no further.
func TestConnectAndCheck(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, salesToken, helpToken)
	i := install(t, nil, withAlbum(t, a, "public_url: https://bots.example.com\n"))
	i.secrets = albumSecrets()
	delete(i.secrets, "sales_old")
	i.start()
	states := func(id string) (stages []channel.Stage, line string) {
		t.Helper()
		answer := i.admin("POST", "/v1/channels/"+id+"/check", "")
		if err := answer.want(200); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(answer.body), &stages); err != nil {
			t.Fatal(err)
		}
		for _, s := range stages {
			line += s.Name + " " + s.State + ", "
		}
		return stages, line
	}
	const set = "configured ok, granted ok, secrets "
	if stages, line := states("sales"); !strings.HasPrefix(line, set+"failed, connection skipped") || !strings.Contains(stages[2].Detail, "sales_old") {
		t.Errorf("a secret is missing: %s %+v", line, stages[2])
	}
	connected := i.admin("POST", "/v1/channels/help/connect", "")
	if connected.want(200) != nil || !strings.Contains(connected.body, `"account":"bot of 222"`) || !strings.Contains(connected.body, `"webhook":"https://bots.example.com/hooks/help"`) {
		t.Errorf("connect: %+v", connected)
	}
	if got := strings.Join(a.hooked, " "); got != `{"token":"help-hook-token","url":"https://bots.example.com/hooks/help"}` {
		t.Errorf("the service was told %s", got)
	}
	for range 2 { // a sample is not known again
		stages, line := states("help")
		if line != set+"ok, connection ok, signed ok, refused ok, accepted ok, stored ok, read ok, flow ok, " {
			t.Fatalf("%s %+v", line, stages)
		}
		for n, want := range map[int]string{3: "account bot of 222", 4: "X-Album-Token", 5: "401", 8: "a message (text) of album:bob", 9: "trigger start of flow echo would take it"} {
			if !strings.Contains(stages[n].Detail, want) {
				t.Errorf("%+v: no %q", stages[n], want)
			}
		}
	}
	if n := len(i.contacts()) + len(i.ran(0)) + len(a.photos("bob")) + i.stored("intake:help", "contact:help/album:bob"); n > 0 {
		t.Errorf("a sample left %d traces", n)
	}
	i.dead(0)
	for range 30 { // no wrong one of them was anybody's attack
		i.admin("POST", "/v1/channels/help/check", "")
	}
	i.comes(i.host.Addr(), "help", "help-hook-token", "u1", "eve", nil)
	// The mark of a sample is worth nothing to others.
	i.problem(i.call("POST", "/hooks/help", "{}", "Trama-Check", "guess"), 401, "token")
	a.mu.Lock()
	a.webhook[helpToken] = abi.Connected{Account: "bot", Webhook: "https://elsewhere.example.com/"}
	a.mu.Unlock()
	if stages, line := states("help"); stages[3].State != channel.StageFailed || !strings.Contains(stages[3].Remedy, "trama channel connect help") || !strings.HasSuffix(line, "flow ok, ") {
		t.Errorf("the webhook goes elsewhere: %s %+v", line, stages[3])
	}
	if answer := i.admin("POST", "/v1/channels/nobody/check", ""); answer.want(404) != nil {
		t.Errorf("%+v", answer)
	}
}
