package main

import (
	"fmt"
	"net"
)

// notify tells the service manager how the process is (sd_notify(3)), if one
// listens: READY=1 or STOPPING=1.
func (p *program) notify(state string) error {
	path := p.Env("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if path[0] == '@' { // of the abstract namespace
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
