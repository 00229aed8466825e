package catalog

import (
	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/source"
)

// Client is a caller of the gateway. No file lists clients, for their keys are
// made on the host.
type Client struct {
	At source.Place `json:"-"`
	access.Client
}

// Name is by what the client is known.
func (c *Client) Name() string { return c.Client.Name }

func (c *Client) place() *source.Place { return &c.At }

// Check returns what is wrong with the client.
func (c Client) Check() source.Problems { return at(c.At, c.Validate()) }

// Callers gives all clients.
func (s *Snapshot) Callers() []access.Client {
	clients := make([]access.Client, 0, len(s.Clients))
	for _, c := range s.Clients {
		clients = append(clients, c.Client)
	}
	return clients
}
