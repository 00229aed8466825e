package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/pdk/abi"
)

// version says what this binary is.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the sources
	Modified bool   `json:"modified,omitempty"` // they differed from the revision
	ABI      int    `json:"abi"`                // of plugins
	Bundled  int    `json:"bundled"`            // plugins that belong to the build
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say what this binary is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := ownVersion(p.Bundled)
			if p.JSON {
				return p.PrintJSON(v)
			}
			text := "trama " + v.Version
			if v.Revision != "" {
				text += " " + v.Revision
			}
			if v.Modified {
				text += " (modified)"
			}
			_, err := fmt.Fprintf(p.Stdout, "%s\nplugin abi %d, %d bundled plugins\n%s %s\n", text, v.ABI, v.Bundled, v.Go, v.Platform)
			return err
		},
	}
}

func ownVersion(bundled []string) version {
	v := version{
		Version: "unknown", ABI: abi.Version, Bundled: len(bundled),
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
