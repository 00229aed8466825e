package plugin

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// byAuthor says what an author does where an operator changes grants.yaml: what
// the manifest asks for is what is granted where plugins are tried.
var byAuthor = []struct {
	operator *regexp.Regexp
	author   string
}{
	{regexp.MustCompile(`add connection \(or \S+\) to its egress in grants\.yaml`), "add connection to capabilities.egress of the manifest"},
	{regexp.MustCompile(`add (\S+) to its egress in grants\.yaml`), "add $1 to capabilities.egress of the manifest"},
	{regexp.MustCompile(`grant (\S+) to the plugin in grants\.yaml`), "add $1 to capabilities.egress of the manifest"},
	{regexp.MustCompile(`add it to the keys of the plugin's line in grants\.yaml`), "name its algorithm in capabilities.sign of the manifest"},
	{regexp.MustCompile(`raise kv of the plugin's line in grants\.yaml`), "raise capabilities.kv_bytes of the manifest"},
}

// ForAuthor gives a message of the host with what a plugin's author does about it
// in the place of what an operator would.
func ForAuthor(message string) string {
	if !strings.Contains(message, "grants.yaml") {
		return message
	}
	for _, by := range byAuthor {
		message = by.operator.ReplaceAllString(message, by.author)
	}
	return sandbox.Raised(message, func(key, value string) string {
		var l grant.Limits
		if data, err := json.Marshal(map[string]string{key: value}); err != nil || json.Unmarshal(data, &l) != nil {
			return "ask for more in the manifest, under limits"
		}
		asked, err := json.Marshal(abi.Limits{
			MemoryBytes: int64(l.Memory), Fuel: int64(l.Fuel), TimeMillis: time.Duration(l.Time).Milliseconds(), InputBytes: int64(l.Input),
			OutputBytes: int64(l.Output), HTTPBytes: int64(l.HTTP), Requests: l.Requests, LogBytes: int64(l.Log), BlobBytes: int64(l.Blob),
		})
		if err != nil {
			return "ask for more in the manifest, under limits"
		}
		return fmt.Sprintf(`ask for it in the manifest: "limits": %s`, asked)
	})
}
