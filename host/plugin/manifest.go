package plugin

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
// error: it is either misspelt or from a later version. What is wrong with one
// that could be read comes as [Faults].
func ParseManifest(data []byte) (abi.Manifest, error) {
	m, err := decodeManifest(data)
	if err != nil {
		return abi.Manifest{}, err
	}
	return m, checkManifest(m)
}

// Fault is one thing that is wrong with a manifest.
type Fault struct {
	// Path is where it stands: keys, and indexes of lists; empty: the whole.
	Path []string
	// Text says what is wrong there, and what to write instead.
	Text string
}

// String gives "operations[0].effect: what is wrong".
func (f Fault) String() string {
	if len(f.Path) == 0 {
		return f.Text
	}
	return JSONPath(f.Path) + ": " + f.Text
}

// JSONPath writes keys and indexes as "operations[0].effect".
func JSONPath(path []string) string {
	var b strings.Builder
	for i, step := range path {
		if _, err := strconv.ParseUint(step, 10, 31); err == nil {
			b.WriteString("[" + step + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(step)
	}
	return b.String()
}

// Faults are all that is wrong with a manifest that could be read.
type Faults []Fault

func (fs Faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.String()
	}
	return "manifest: " + strings.Join(texts, "; ")
}

// report adds a fault. Keys of path are separated by dots, indexes too.
func (fs *Faults) report(path, format string, args ...any) {
	f := Fault{Text: fmt.Sprintf(format, args...)}
	if path != "" {
		f.Path = strings.Split(path, ".")
	}
	*fs = append(*fs, f)
}

// Own is the name under which the host offers operations of its own; no plugin
// may have it.
const Own = "trama"

// begins is what the types of the host's own nodes begin with that have a dot in
// them: a plugin of that name would have operations that no flow can call.
const begins = "response"

func checkManifest(m abi.Manifest) error {
	var faults Faults
	if !namePattern.MatchString(m.Name) {
		faults.report("name", "%q: want a lower-case word such as my_crm", m.Name)
	}
	if m.Name == Own || m.Name == begins {
		faults.report("name", "%q is the host's own, whose nodes are called so: choose another", m.Name)
	}
	if !versionPattern.MatchString(m.Version) {
		faults.report("version", "%q: want a semantic version such as 1.0.0", m.Version)
	}
	if m.Image != "" && m.Image != imageNone {
		faults.report("image", "%q: want none, or nothing", m.Image)
	}
	faults.checkTitles("titles", m.Titles)
	switch m.Kind {
	case abi.KindConnector, abi.KindLanguage:
		if m.Webhook != nil {
			faults.report("webhook", "only a channel has one")
		}
	case abi.KindChannel:
		faults.checkChannel(m)
	default:
		faults.report("kind", "%q: want connector, channel or language", m.Kind)
	}
	faults.checkAsked(m)
	if len(m.Warm) > abi.MaxWarm {
		faults.report("warm", "%d calls, over the limit of %d", len(m.Warm), abi.MaxWarm)
	}
	for i, w := range m.Warm {
		if w.Export == "" {
			faults.report(fmt.Sprintf("warm.%d", i), "a call without an export")
		}
	}
	for i, algorithm := range m.Capabilities.Sign {
		if known := abi.SignAlgorithms(); !slices.Contains(known, algorithm) {
			faults.report(fmt.Sprintf("capabilities.sign.%d", i), "%q: want one of %s", algorithm, strings.Join(known, ", "))
		}
	}
	seen := map[string]bool{}
	for i, op := range m.Operations {
		at := fmt.Sprintf("operations.%d.", i)
		if !namePattern.MatchString(op.Name) {
			faults.report(at+"name", "%q: want a lower-case word such as create_deal", op.Name)
		}
		if seen[op.Name] {
			faults.report(at+"name", "operation %q is declared twice", op.Name)
		}
		seen[op.Name] = true
		faults.checkTitles(at+"titles", op.Titles)
		if !slices.Contains([]abi.Effect{abi.EffectPure, abi.EffectIdempotent, abi.EffectQueryable, abi.EffectUnsafe}, op.Effect) {
			faults.report(at+"effect", "operation %q: effect %q: want pure, idempotent, queryable or unsafe", op.Name, op.Effect)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// checkAgainst holds a module against its manifest: it exports what the
// manifest names, and imports no function of the host that gives what the
// manifest does not ask for. So what an operator reads in a manifest is all
// that there is to grant.
func checkAgainst(info sandbox.Info, m abi.Manifest) error {
	for _, name := range ExportsOf(m) {
		if slices.Contains(callable(info), name) {
			continue
		}
		for _, e := range info.Exports {
			if e.Name == name {
				return fmt.Errorf("the manifest names the function %q, which the module exports as a %s; want a function () -> i32", name, strings.TrimSpace(e.Kind+" "+e.Signature))
			}
		}
		return fmt.Errorf("the manifest names the function %q, which the module does not export; it has %s", name, strings.Join(callable(info), ", "))
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

// ExportsOf lists the functions that a manifest says the module exports; one may
// come twice.
func ExportsOf(m abi.Manifest) []string {
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
	for _, w := range m.Warm {
		names = append(names, w.Export)
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
