package host_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/trama-run/trama/host"
	"github.com/trama-run/trama/host/admin"
)

// childVariable makes the test binary a host: it holds a childConfig.
const childVariable = "TRAMA_TEST_HOST"

// childConfig is what a host in another process is started with.
type childConfig struct {
	Dir, Data string
	Secrets   map[string]string
	Bundled   []string
	Store     childStore
}

func TestMain(m *testing.M) {
	if text, isChild := os.LookupEnv(childVariable); isChild {
		fmt.Fprintln(os.Stderr, beHost(text))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beHost serves until it is killed; it tells its addresses on stdout.
func beHost(text string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	i := &installation{t: &testing.T{}, dir: c.Dir, data: c.Data, secrets: c.Secrets, bundled: c.Bundled, log: &logBuffer{}}
	config, err := i.config()
	if err != nil {
		return err
	}
	config.Wrap = c.Store.wrap
	h, err := host.New(context.Background(), config)
	if err != nil {
		return err
	}
	fmt.Println(h.Addr(), h.AdminAddr())
	return h.Run(context.Background())
}

// child is a host in a process of its own.
type child struct {
	cmd             *exec.Cmd
	addr, adminAddr string        // known once it has told them
	told            chan struct{} // closed then
	quiet           chan struct{} // closed when its store has no more work; see childStore
	gone            chan struct{} // closed when the process has ended
}

// launch starts a host that can be killed.
func (i *installation) launch(s childStore) *child {
	i.t.Helper()
	text, err := json.Marshal(childConfig{i.dir, i.data, i.secrets, i.bundled, s})
	if err != nil {
		i.t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0]), told: make(chan struct{}), quiet: make(chan struct{}), gone: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	c.cmd.Stderr = i.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		i.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(c.kill)
	go c.watch(out)
	return c
}

// watch reads what a child tells until it is gone.
func (c *child) watch(out io.Reader) {
	lines := bufio.NewScanner(out)
	if lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &c.addr, &c.adminAddr); err == nil {
			close(c.told)
		}
	}
	for once := false; lines.Scan(); {
		if !once && lines.Text() == quietLine {
			once = true
			close(c.quiet)
		}
	}
	c.cmd.Wait() //nolint:errcheck // it was killed
	close(c.gone)
}

// startChild starts a host that can be killed, and waits until it is ready.
func (i *installation) startChild() *child {
	i.t.Helper()
	c := i.launch(childStore{})
	select {
	case <-c.told:
	case <-c.gone:
		i.t.Fatal("the child told no addresses")
	}
	i.within(startPatience, "the child to be ready", func() error {
		return i.send("GET", "http://"+c.adminAddr+"/readyz", "").want(200)
	})
	return c
}

// kill ends the child as a crash would.
func (c *child) kill() {
	c.cmd.Process.Kill() //nolint:errcheck // it may be gone already
	<-c.gone
}

// runs lists all runs.
func (i *installation) runs() []admin.RunInfo {
	i.t.Helper()
	return read[[]admin.RunInfo](i, "/v1/runs?limit=500")
}
