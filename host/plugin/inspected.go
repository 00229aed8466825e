package plugin

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trama-run/trama/host/sandbox"
)

// inspected is [sandbox.Inspect] of a module with this sha256, from the cache
// where this very program has left it there: so a start reads no module from
// end to end. It saves time and decides nothing: what is compiled is inspected
// again.
func (r *Registry) inspected(code string, module []byte) (sandbox.Info, error) {
	build := thisBuild()
	cached := filepath.Join(r.config.CacheDir, "inspections", code+"-"+build+".json")
	if data, err := os.ReadFile(cached); err == nil && build != "" {
		var info sandbox.Info
		if json.Unmarshal(data, &info) == nil && info.SHA256 == code {
			return info, nil
		} // cut short: inspect again
	}
	info, err := sandbox.Inspect(module)
	if err != nil || build == "" {
		return info, err
	}
	data, err := json.Marshal(info)
	if err == nil {
		err = write(cached, data)
	}
	if err != nil {
		r.config.Log.Warn("a module will be inspected again at the next start", "sha256", code, "error", err)
	}
	return info, nil
}

// thisBuild tells this program's file from those of other builds, which may
// inspect by other rules; empty if it can't be told.
func thisBuild() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	file, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x-%x", file.Size(), file.ModTime().UnixNano())
}
