package webhook

import (
	"strings"
	"testing"
	"time"
)

// TestUnmet: what a subscription lacks is said at once, with what mends it and
// nothing about its receiver; nothing is tried before.
func TestUnmet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, more, says string }{
		"flow of a token":   {"https://crm.example.com", `headers: {X: "{{ t }}"}, tokens: {t: {flow: missing}}`, `flow "missing" is not published`},
		"secret of a token": {"https://crm.example.com", `headers: {X: "{{ t }}"}, tokens: {t: {oauth2: {token_url: "https://a.example.com", client_id: x, secret: none_such}}}`, "none_such"},
		"private address":   {"https://10.1.2.3", "", "allow_private"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Rules{}, sub("crm", c.url, c.more))
			f := w.webhooks.Findings()
			if len(f) != 1 || f[0].State != "held" || !strings.Contains(f[0].Reason, c.says) {
				t.Fatalf("the findings are %+v", f)
			}
			w.tell("event:a", nil)
			w.work(time.Second)
			if f := w.webhooks.Findings(); len(f) != 1 || strings.Contains(f[0].Remedy, "receiver") {
				t.Errorf("then they are %+v", f)
			}
			if st := w.state("crm"); st.Active && st.Held != "" || !strings.Contains(st.Held+strings.Join(st.Warnings, " "), c.says) {
				t.Errorf("the state is %+v", st)
			}
		})
	}
}
