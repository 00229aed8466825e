package channel

import (
	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/pdk/abi"
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

// Addresses gives how the adapter of a channel writes addresses; nil: in any
// way, or its plugin is not there.
func (c *Channels) Addresses(id string) []abi.AddressForm {
	manifest, _ := c.config.Plugins.Manifest(c.config.Catalog().Snapshot().Channels[id].Adapter)
	return manifest.Addresses
}
