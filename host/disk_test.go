//go:build linux

package host_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts something for the time of the test.
func mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(source, dir, kind, flags, data); err != nil {
		if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
			t.Skipf("NOT TESTED: this machine does not let us mount: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// TestReadOnlyData: a clear refusal at the start, with nothing written.
func TestReadOnlyData(t *testing.T) {
	t.Parallel()
	i := install(t, nil, nil)
	mount(t, "tmpfs", i.data, "tmpfs", 0, "size=800m,mode=0700")
	t.Cleanup(i.close) // before the volume goes
	i.start()          // a store that was written before
	i.stop()
	remount := func(flags uintptr) {
		if err := syscall.Mount("", i.data, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	refused(t, i, nil, func() { remount(0) }, i.data, "read-only")

	fresh := install(t, nil, nil)
	fresh.data = filepath.Join(i.data, "inside")
	remount(syscall.MS_RDONLY)
	refused(t, fresh, nil, func() { remount(0) }, fresh.data, "read-only")
}

// TestFullDisk: webhooks are refused while the volume is nearly full, what was
// taken is worked on, routes answer, and all recovers.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	files := withPost(t, p, counting)
	files["routes.yaml"] = "- {method: GET, path: /hello, flow: hello}\n"
	files["flows/hello.yaml"] = "schema: 1\nid: hello\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: say, type: response.json, with: {body: hello}}]\nedges: [{from: start, to: say}]\n"
	i := install(t, nil, files)
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	mount(t, "tmpfs", i.data, "tmpfs", 0, "size=800m,mode=0700")
	t.Cleanup(i.close) // before the volume goes
	i.start()
	filler := filepath.Join(i.data, "filler")
	// leave fills the volume up to so many free MiB.
	leave := func(mib int64) {
		t.Helper()
		os.Remove(filler) //nolint:errcheck // it may not be there
		var volume unix.Statfs_t
		if err := unix.Statfs(i.data, &volume); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if fill := int64(volume.Bavail)*volume.Bsize - mib<<20; fill > 0 {
			if err := unix.Fallocate(int(f.Fd()), 0, 0, fill); err != nil {
				t.Fatal(err)
			}
		}
	}
	deliver := func(n int) answer {
		return i.deliver(fmt.Sprint("d", n), webhook(unit{ID: fmt.Sprint("u", n), From: "ana", Text: fmt.Sprint("m", n)}))
	}
	if err := deliver(1).want(200); err != nil {
		t.Fatal(err)
	}
	p.wait(i, 1)
	p.holdAll() // the next one is worked on when the volume is full
	if err := deliver(2).want(200); err != nil {
		t.Fatal(err)
	}
	p.wait(i, 2)
	for _, free := range []int64{400, 120} { // below the mark of new work, and of all work
		leave(free)
		i.eventually("webhooks to be refused", func() error { return deliver(3).want(503) })
		a := deliver(3)
		i.problem(a, 503, "not_stored", "send it again")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %v", a.header)
		}
		if err := i.admin("GET", "/readyz", "").want(503); err != nil {
			t.Error(err)
		}
		i.finding("held", "store", "MiB free")
		if a := i.call("GET", "/api/hello", ""); a.want(200) != nil || a.body != `"hello"` {
			t.Errorf("a route: %v", a.want(200))
		}
		p.release() // the end of the send is committed at 400 MiB
	}
	leave(700)
	i.eventually("webhooks to be taken", func() error { return deliver(3).want(200) })
	got := p.wait(i, 3)
	for n, s := range got {
		if want := fmt.Sprintf("%d: m%d", n+1, n+1); s.Text != want {
			t.Errorf("answer %d is %q, want %q", n+1, s.Text, want)
		}
	}
	if text := i.log.String(); strings.Contains(text, "panic") {
		t.Errorf("the log tells of a panic")
	}
	if err := i.admin("GET", "/readyz", "").want(200); err != nil {
		t.Error(err)
	}
}
