package host_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestSlowMedia: a service whose files never come holds those who sent them,
// and nobody else: not on its channel, nor the files of another. What was on
// its way when the process ended is fetched after it.
func TestSlowMedia(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, salesToken, helpToken)
	i := install(t, nil, withAlbum(t, a, "public_url: https://bots.example.com\n"))
	i.secrets = albumSecrets()
	i.start()
	come := make(chan struct{})
	a.has(salesToken, "never", func(w http.ResponseWriter, _ int) {
		<-come
		io.WriteString(w, "here it is")
	})
	a.has(helpToken, "cat", func(w http.ResponseWriter, _ int) { io.WriteString(w, picture(5)) })
	const slow = 70 // more than conversations go at once
	for n := range slow {
		who := fmt.Sprint("slow", n)
		i.comes(i.host.Addr(), "sales", "sales-hook-token", "u"+who, who, &abi.Media{Kind: "image", ID: "never"})
	}
	i.eventually("as many fetches as a channel may have", func() error {
		if n := a.tried("never"); n != 16 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	answered := func(who string, want int) {
		t.Helper()
		i.eventually("the answer to "+who, func() error {
			if n := len(a.photos(who)); n != want {
				return fmt.Errorf("%d messages", n)
			}
			return nil
		})
	}
	began := time.Now()
	i.comes(i.host.Addr(), "sales", "sales-hook-token", "quick", "quick", nil)
	i.comes(i.host.Addr(), "help", "help-hook-token", "cat", "cat", &abi.Media{Kind: "image", ID: "cat"})
	answered("quick", 1)
	answered("cat", 2)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("others were answered after %s", took)
	}
	if n := a.tried("never"); n != 16 {
		t.Errorf("%d slow files were fetched at once, want 16", n)
	}
	i.comes(i.host.Addr(), "sales", "sales-hook-token", "after", "slow0", nil)
	close(come)
	for n := range slow {
		answered(fmt.Sprint("slow", n), map[bool]int{true: 3, false: 2}[n == 0])
	}
	if got := a.photos("slow0"); got[0].body != "here it is" || got[2].body != "none: hi" {
		t.Errorf("slow0 got %q, not in the order of what it wrote", got)
	}
}
