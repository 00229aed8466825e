package host_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host"
	"github.com/trama-run/trama/host/admin"
)

// refused starts a host that must not start, and gives the reason. Afterwards
// the same installation starts once mend has run.
func refused(t *testing.T, i *installation, change func(*host.Config), mend func(), texts ...string) {
	t.Helper()
	config, err := i.config()
	if err == nil {
		if change != nil {
			change(&config)
		}
		var h *host.Host
		if h, err = host.New(context.Background(), config); err == nil {
			h.Close() //nolint:errcheck // it is a failure already
			t.Fatalf("the host started; want an error with %q", texts)
		}
	}
	if !containsAll(err.Error(), texts) {
		t.Errorf("the error is %q, want it to name %q", err, texts)
	}
	mend()
	i.start()
	i.stop()
}

func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"malformed": "addr: [", "an unknown field": "\nadress: x\n", "a wrong type": "addr: {}\n"} {
		t.Run(name+" trama.yaml", func(t *testing.T) {
			i := install(t, nil, map[string]string{"trama.yaml": text})
			refused(t, i, nil, func() { i.remove("trama.yaml") }, "trama.yaml:")
		})
	}
	t.Run("a port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken := l.Addr().String()
		i := install(t, nil, nil)
		refused(t, i, func(c *host.Config) { c.Settings.Addr = taken }, func() {}, taken, "address already in use", "--addr")
		refused(t, i, func(c *host.Config) { c.Settings.AdminAddr = taken }, func() {}, taken, "--admin-addr")
	})
	t.Run("data is a file", func(t *testing.T) {
		i := install(t, nil, map[string]string{"data": "x"})
		refused(t, i, nil, func() { i.remove("data") }, i.data, "not a directory")
	})
	t.Run("a damaged token", func(t *testing.T) {
		i := install(t, nil, map[string]string{"data/" + admin.TokenFile: "x"})
		refused(t, i, nil, func() { i.remove("data/" + admin.TokenFile) }, admin.TokenFile, "remove the file")
	})
	t.Run("a damaged store", func(t *testing.T) {
		i := install(t, nil, map[string]string{"data/store/store.json": "{"})
		refused(t, i, nil, func() { i.remove("data/store/store.json") }, "store.json")
	})
}

// TestOneProcess: a second host on the same data directory is refused, and the
// first goes on.
func TestOneProcess(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	config, err := i.config()
	if err != nil {
		t.Fatal(err)
	}
	if h, err := host.New(context.Background(), config); err == nil || !containsAll(err.Error(), []string{i.data, "in use by process", "only one may open it"}) {
		t.Errorf("the second host: %v, %v", h, err)
	}
	i.problem(i.call("GET", "/api/x", ""), 404, "no_route")
}

// TestTokenFile: the token is made once, for its owner alone.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	path := filepath.Join(i.data, admin.TokenFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	first, err := os.ReadFile(path)
	if err != nil || len(strings.TrimSpace(string(first))) < 32 {
		t.Fatalf("%q, %v", first, err)
	}
	for dir := range map[string]bool{i.data: true} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	i.restart()
	if second, err := os.ReadFile(path); err != nil || string(second) != string(first) {
		t.Errorf("after a restart %q, before %q, %v", second, first, err)
	}
}

// TestStopIsTold: the log has each step of a stop, in order.
func TestStopIsTold(t *testing.T) {
	t.Parallel()
	i := install(t, nil, map[string]string{"channels.yaml": "- {id: shop, adapter: webhook, config: {event: x, token: \"header:X-Token\"}, secrets: {secret: a}}\n"})
	i.start()
	i.stop()
	rest := i.log.String()
	for _, step := range []string{"drain_delay=", "stopping: nothing new is taken", "msg=stopped requests_left=0"} {
		_, after, found := strings.Cut(rest, step)
		if !found {
			t.Fatalf("the log does not go on with %q:\n%s", step, rest)
		}
		rest = after
	}
	if strings.Contains(i.log.String(), `held=""`) {
		t.Error("the log says held of what is not")
	}
}
