package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// imageNone as a manifest's image: calls don't start from one.
const imageNone = "none"

// ParseManifest reads a manifest as "describe" returns it and checks
// everything that can be checked without the module. An unknown field is an
// error: it is either misspelt or from a later version.
func ParseManifest(data []byte) (abi.Manifest, error) {
	var version struct {
		ABI int `json:"abi"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return abi.Manifest{}, fmt.Errorf("manifest is not JSON: %w", err)
	}
	if version.ABI != abi.Version {
		return abi.Manifest{}, fmt.Errorf("plugin wants abi %d, host has abi %d: build it with a PDK of this version", version.ABI, abi.Version)
	}
	var m abi.Manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return abi.Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	return m, checkManifest(m)
}

func checkManifest(m abi.Manifest) error {
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !namePattern.MatchString(m.Name) {
		report("name %q: want a lower-case word such as my_crm", m.Name)
	}
	if !versionPattern.MatchString(m.Version) {
		report("version %q: want a semantic version such as 1.0.0", m.Version)
	}
	if m.Image != "" && m.Image != imageNone {
		report("image %q: want none, or nothing", m.Image)
	}
	switch m.Kind {
	case abi.KindConnector, abi.KindLanguage:
		if m.Webhook != nil {
			report("webhook: only a channel has one")
		}
	case abi.KindChannel:
		if err := checkWebhook(m.Webhook); err != nil {
			report("webhook: %v", err)
		}
	default:
		report("kind %q: want connector, channel or language", m.Kind)
	}
	if m.Capabilities.KVBytes < 0 {
		report("kv_bytes %d: want how much to remember of each contact, or nothing", m.Capabilities.KVBytes)
	}
	if namePattern.MatchString(m.Name) {
		for _, problem := range grant.Request(m, strings.Repeat("0", 64)).Validate() {
			report("no grant can give what it asks for: %s", problem)
		}
	}
	for _, s := range m.Capabilities.Secrets {
		for _, o := range s.Origins {
			if _, err := grant.ParseOrigin(o); err != nil && o != abi.EgressConnection {
				report("secret %q: %v", s.Name, err)
			}
		}
	}
	if len(m.Warm) > abi.MaxWarm {
		report("warm: %d calls, over the limit of %d", len(m.Warm), abi.MaxWarm)
	}
	for _, w := range m.Warm {
		if w.Export == "" {
			report("warm: a call without an export")
		}
	}
	seen := map[string]bool{}
	for _, op := range m.Operations {
		if !namePattern.MatchString(op.Name) {
			report("operation %q: want a lower-case word such as create_deal", op.Name)
		}
		if seen[op.Name] {
			report("operation %q is declared twice", op.Name)
		}
		seen[op.Name] = true
		if !slices.Contains([]abi.Effect{abi.EffectPure, abi.EffectIdempotent, abi.EffectQueryable, abi.EffectUnsafe}, op.Effect) {
			report("operation %q: effect %q: want pure, idempotent, queryable or unsafe", op.Name, op.Effect)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("manifest: %s", strings.Join(problems, "; "))
	}
	return nil
}

func checkWebhook(w *abi.Webhook) error {
	if w == nil {
		return nil // a channel that is only written to
	}
	if s := w.Signature; s != nil {
		switch {
		case s.Header == "" || s.Secret == "":
			return fmt.Errorf("signature: want a header and a secret")
		case s.Algorithm != "hmac-sha256":
			return fmt.Errorf("signature: algorithm %q: want hmac-sha256", s.Algorithm)
		case s.Encoding != "hex" && s.Encoding != "base64":
			return fmt.Errorf("signature: encoding %q: want hex or base64", s.Encoding)
		case s.Signed != "body":
			return fmt.Errorf("signature: signed %q: want body", s.Signed)
		}
	}
	if h := w.Handshake; h != nil && (h.Token == "" || h.Challenge == "" || h.Secret == "") {
		return fmt.Errorf("handshake: want token, challenge and secret")
	}
	if id := w.DeliveryID; id != "" && id != "body_sha256" && !strings.HasPrefix(id, "header:") {
		return fmt.Errorf("delivery_id %q: want header:<Name> or body_sha256", id)
	}
	return nil
}

// checkAgainst holds a module against its manifest: it exports what the
// manifest names, and imports no function of the host that gives what the
// manifest does not ask for. So what an operator reads in a manifest is all
// that there is to grant.
func checkAgainst(info sandbox.Info, m abi.Manifest) error {
	for _, name := range exportsOf(m) {
		if !slices.Contains(callable(info), name) {
			return fmt.Errorf("the manifest names the function %q, which the module does not export as () -> i32", name)
		}
	}
	c := m.Capabilities
	keeps := c.KVBytes > 0
	asked := map[string]struct {
		given bool
		ask   string
	}{
		abi.HostHTTPSend:  {len(c.Egress) > 0, "egress"},
		abi.HostSecretRef: {len(c.Secrets) > 0, "secrets"},
		abi.HostSign:      {len(c.Sign) > 0, "sign"},
		abi.HostVerify:    {len(c.Sign) > 0, "sign"},
		abi.HostKVGet:     {keeps, "kv_bytes"},
		abi.HostKVSet:     {keeps, "kv_bytes"},
		abi.HostKVDelete:  {keeps, "kv_bytes"},
		abi.HostKVList:    {keeps, "kv_bytes"},
	}
	for _, im := range info.Imports {
		if need, known := asked[im.Name]; im.Module == abi.ModuleTrama && known && !need.given {
			return fmt.Errorf("the module imports %s.%s, but its manifest asks for no %s: add it to the manifest's capabilities, or leave the import out", im.Module, im.Name, need.ask)
		}
	}
	return nil
}

// exportsOf lists the functions that a manifest says the module exports.
func exportsOf(m abi.Manifest) []string {
	var names []string
	for _, op := range m.Operations {
		names = append(names, ExportOf(op))
	}
	switch m.Kind {
	case abi.KindChannel:
		names = append(names, abi.FuncReceive, abi.FuncSend)
	case abi.KindLanguage:
		names = append(names, abi.FuncRun)
	}
	return names
}

// ExportOf returns the name of an operation's function in the module.
func ExportOf(op abi.Operation) string {
	if op.Export != "" {
		return op.Export
	}
	return op.Name
}
