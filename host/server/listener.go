package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/trama-run/trama/host/seldom"
)

// Listen binds an address, so that a port in use is an error at start. With
// files of a certificate it speaks TLS. countedBy gives what a peer's connections
// are counted by, so that no stranger has all of them; the zero Addr: nothing.
func Listen(addr string, t TLS, countedBy func(peer netip.Addr) netip.Addr, log *slog.Logger) (net.Listener, error) {
	var config *tls.Config
	if t != (TLS{}) {
		var err error
		if config, err = t.config(log); err != nil {
			return nil, err
		}
	}
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (choose another with --addr or --admin-addr)", addr, err)
	}
	l := &listener{Listener: inner, most: connections, countedBy: countedBy, each: eachAddress, seldom: seldom.New(log, nil), of: map[netip.Addr]int{}}
	if config != nil {
		return tls.NewListener(l, config), nil
	}
	l.full = full(fmt.Sprintf("%d connections are open, and no more are taken", connections))
	l.crowded = full(fmt.Sprintf("%d connections of this address are open, and no more are taken: keep some and use them again", eachAddress))
	return l, nil
}

// listener bounds how many connections are open. One too many is answered, in
// plain HTTP, and closed at once.
type listener struct {
	net.Listener
	most          int64
	seldom        *seldom.Log
	full, crowded []byte // nothing where strangers expect TLS
	open          atomic.Int64

	countedBy func(peer netip.Addr) netip.Addr
	each      int
	mu        sync.Mutex
	of        map[netip.Addr]int // open, by countedBy; guarded by mu
}

// enter counts a connection in. refusal is the answer to one too many.
func (l *listener) enter(peer netip.Addr) (refusal []byte, ok bool) {
	if l.open.Add(1) > l.most {
		l.open.Add(-1)
		return l.full, false
	}
	if !peer.IsValid() {
		return nil, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[peer] >= l.each {
		l.open.Add(-1)
		return l.crowded, false
	}
	l.of[peer]++
	return nil, true
}

// leave counts a connection out.
func (l *listener) leave(peer netip.Addr) {
	l.open.Add(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[peer]--; l.of[peer] <= 0 { // below: it was not counted
		delete(l.of, peer)
	}
}

// Accept takes the next connection. While the system has none to give, for want
// of files or memory, it waits: those that are open end, and the host goes on.
func (l *listener) Accept() (net.Conn, error) {
	for pause := minAcceptPause; ; {
		c, err := l.Listener.Accept()
		if scarce(err) {
			l.seldom.Say(context.Background(), slog.LevelError, "accept", "no connection can be taken: let the process have more open files (ulimit -n, LimitNOFILE)", "error", err)
			time.Sleep(pause)
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		if err != nil {
			return nil, err
		}
		pause = minAcceptPause
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return nil, errors.Join(fmt.Errorf("accept: %T is no TCP connection", c), c.Close())
		}
		peer := l.countedBy(tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
		refusal, ok := l.enter(peer)
		if !ok {
			c.SetWriteDeadline(time.Now().Add(time.Millisecond)) //nolint:errcheck // the answer is a courtesy
			c.Write(refusal)                                     //nolint:errcheck
			c.Close()                                            //nolint:errcheck
			continue
		}
		return &conn{TCPConn: tcp, listener: l, peer: peer}, nil
	}
}

// Pauses before the next connection is taken, while there is none to have.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// scarce says whether an error is the system's want of something, which passes.
func scarce(err error) bool {
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// conn is a connection that was taken.
type conn struct {
	*net.TCPConn
	listener *listener
	peer     netip.Addr  // that it is counted by
	unread   atomic.Bool // the peer may still send what nobody reads
	closed   sync.Once
}

// lingerTime and lingerBytes bound how long a peer that was refused may go on
// sending.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// Close closes the connection once. After a refusal it first takes in some of
// what the peer sends: closing on it would reset the connection, and the peer
// would not see its answer.
func (c *conn) Close() (err error) {
	c.closed.Do(func() {
		if c.unread.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			io.CopyN(io.Discard, c.TCPConn, lingerBytes) //nolint:errcheck // how the peer ends is its own affair
		}
		err = c.TCPConn.Close()
		c.listener.leave(c.peer)
	})
	return err
}

// linger marks a connection whose peer is refused while it may still send.
func linger(c net.Conn) {
	if t, isTLS := c.(*tls.Conn); isTLS {
		c = t.NetConn()
	}
	if ours, ok := c.(*conn); ok {
		ours.unread.Store(true)
	}
}
