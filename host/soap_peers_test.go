//go:build peers

package host_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	others "github.com/trama-run/trama/plugins/peer"
)

// TestPeerWSSecurity: npm's soap, which checks the UsernameToken, lets in whom
// the host vouches for, by password and by digest, in both versions of SOAP; and
// nobody else.
func TestPeerWSSecurity(t *testing.T) {
	const password = "canary <pass> & wörd"
	wsdl, err := filepath.Abs("../examples/legacy-erp/wsdl/erp.wsdl")
	if err != nil {
		t.Fatal(err)
	}
	files := exampleFiles(t, "legacy-erp")
	flow := files["flows/place-order.yaml"]
	delete(files, "flows/place-order.yaml")
	files["connections.yaml"], files["routes.yaml"] = "", ""
	type variant struct{ name, version, auth, want string }
	auth := func(more string) string {
		return `{type: ws_security, username: "bob & co", secret: erp_password, expires_seconds: 30` + more + `}`
	}
	var variants []variant
	for _, version := range []string{"1.1", "1.2"} {
		server := others.Start(t, "testdata/peers/soap.cjs", "WSDL="+wsdl, "PASSWORD="+password, "VERSION="+version)
		n := strings.TrimPrefix(version, "1.")
		for _, v := range []variant{
			{"digest" + n, version, auth(""), `"PasswordDigest"`},
			{"text" + n, version, auth(", password: text, must_understand: true"), `"PasswordText"`},
			{"wrong" + n, version, strings.Replace(auth(""), "erp_password", "other", 1), "Invalid username or password"},
			{"other" + n, version, strings.Replace(auth(""), "bob", "eve", 1), "Invalid username or password"},
			{"none" + n, version, "{type: bearer, secret: other}", "Invalid username or password"},
		} {
			variants = append(variants, v)
			files["flows/"+v.name+".yaml"] = strings.NewReplacer("id: place-order", "id: "+v.name, "connection: erp", "connection: "+v.name, `version: "1.1"`, `version: "`+version+`"`).Replace(flow)
			files["connections.yaml"] += fmt.Sprintf("- {id: %s, base_url: %q, auth: %s}\n", v.name, server.URL+"/soap", v.auth)
			files["routes.yaml"] += fmt.Sprintf("- {method: POST, path: /%s, flow: %[1]s}\n", v.name)
		}
	}
	i := install(t, []string{"soap"}, files)
	i.secrets = map[string]string{"erp_password": password, "other": "canary of another"}
	i.start()
	for _, v := range variants {
		a := i.call("POST", "/api/"+v.name, `{"customer":"José & Filhos","item":[{"sku":"A1","quantity":2}],"due":null}`, "Content-Type", "application/json")
		status := 502
		if strings.HasPrefix(v.want, `"`) {
			status = 200
		}
		if err := a.want(status); err != nil || !strings.Contains(a.body, v.want) || status == 200 && !containsAll(a.body, []string{`"number":9007199254740993`, `"customer":"José & Filhos"`}) {
			t.Errorf("%s with SOAP %s: %v: %s", v.name, v.version, err, a.body)
		}
		if strings.Contains(a.body, "canary") {
			t.Errorf("%s shows the password: %s", v.name, a.body)
		}
	}
}
