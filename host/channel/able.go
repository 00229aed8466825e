package channel

import (
	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/fallback"
)

// Able gives what the adapter of a channel can send; while its plugin is not
// there, only why that is not known. A channel that is not configured leaves
// everything to the adapter.
func (c *Channels) Able(id string) fallback.Adapter {
	ch, ok := c.config.Catalog().Snapshot().Channels[id]
	if !ok {
		return fallback.Adapter{}
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return apichat.Able()
	}
	manifest, ok := c.config.Plugins.Manifest(ch.Adapter)
	if !ok {
		return fallback.Adapter{Away: c.config.Plugins.Ready(ch.Adapter)}
	}
	return fallback.Of(manifest)
}
