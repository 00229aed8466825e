package grant

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestSigner: what is granted to a signer holds for what it signed, whatever
// the content, and for nothing else.
func TestSigner(t *testing.T) {
	m := abi.Manifest{Name: "acme", Capabilities: abi.Capabilities{Egress: []string{"https://api.acme.com"}}}
	given := Grant{Plugin: "acme", Of: OfSigner("acme-inc"), Egress: []string{"https://*.acme.com"}}
	if problems := given.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	own := Grant{Plugin: "acme", Of: "sha256:" + digest, Egress: []string{"https://api.acme.com"}}
	wider := m
	wider.Capabilities.Secrets = []abi.SecretRequest{{Name: "token"}}
	for name, c := range map[string]struct {
		manifest abi.Manifest
		content  Content
		grants   []Grant
		of       string // of the grant that holds; "" while it is pending
		reason   string
	}{
		"signed":                 {m, Content{Digest: digest, Signer: "acme-inc"}, []Grant{given}, "signer:acme-inc", ""},
		"another content":        {m, Content{Digest: strings.Repeat("0", 64), Signer: "acme-inc"}, []Grant{given}, "signer:acme-inc", ""},
		"its own grant is first": {m, Content{Digest: digest, Signer: "acme-inc"}, []Grant{given, own}, own.Of, ""},
		"its own grant alone":    {m, Content{Digest: digest, Signed: "altered since it was signed"}, []Grant{given, own}, own.Of, ""},
		"not signed":             {m, Content{Digest: digest}, []Grant{given}, "", "was granted to what acme-inc signs, and this file is not signed"},
		"altered":                {m, Content{Digest: digest, Signed: "altered since it was signed"}, []Grant{given}, "", "and this file is altered since it was signed"},
		"another signer":         {m, Content{Digest: digest, Signer: "other", Signed: "signed by other"}, []Grant{given}, "", "and this file is signed by other"},
		"no signer at all":       {m, Content{Digest: digest}, []Grant{{Plugin: "acme", Of: "signer:", Egress: given.Egress}}, "", "this file is not signed"},
		"another plugin":         {abi.Manifest{Name: "other"}, Content{Digest: digest, Signer: "acme-inc"}, []Grant{given}, "", "no grant names it"},
		"it asks for more":       {wider, Content{Digest: digest, Signer: "acme-inc"}, []Grant{given}, "", "it asks for more than it was granted: secret token"},
	} {
		d := Decide(c.manifest, c.content, c.grants)
		if d.Grant.Of != c.of || (d.Status == Granted) != (c.of != "") || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: %s of %q: %q", name, d.Status, d.Grant.Of, d.Reason)
		}
		if d.Status == Granted {
			continue
		}
		line := lineOf(t, d.Remedy)
		if again := Decide(c.manifest, c.content, append(c.grants, line)); name != "it asks for more" && again.Status != Granted {
			t.Errorf("%s: after the remedy %q: %s, %s", name, d.Remedy, again.Status, again.Reason)
		}
		if name == "it asks for more" && (line.Of != given.Of || Decide(c.manifest, c.content, []Grant{line}).Status != Granted) {
			t.Errorf("the remedy changes the grant to %s", line)
		}
	}
}
