package workspace

import "github.com/trama-run/trama/host/flow"

// Webhooks are what the operator of a host allows the subscriptions of outside
// systems, whoever makes them.
type Webhooks struct {
	// AllowHTTP lets deliveries go without TLS.
	AllowHTTP bool `json:"allow_http,omitempty"`
	// AllowPrivate lets them go to private addresses and to this machine.
	AllowPrivate bool `json:"allow_private,omitempty"`
	// DisableAfter is how long all deliveries of a subscription may fail until
	// it is disabled; 7 days if not set.
	DisableAfter flow.Duration `json:"disable_after,omitempty"`
}
