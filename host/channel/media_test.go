package channel

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// TestOutboundTypes: a blob that is sent goes as what its bytes show, then as
// what the message says of it, then as what it was stored with; and another
// contact's does not go.
func TestOutboundTypes(t *testing.T) {
	s := memory.Open(memory.NewDisk(), time.Now)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	vault, err := secret.OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := media.Open(media.Config{Store: s, Vault: vault})
	if err != nil {
		t.Fatal(err)
	}
	c := &Channels{config: Config{Media: kept}}
	const owner = "contact:wa/p:1"
	for _, one := range []struct{ name, bytes, stored, said, want string }{
		{"a service that says another type", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/jpeg", "", "image/png"},
		{"a service that says nothing", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "application/octet-stream", "", "image/png"},
		{"a message that says another type", "%PDF-1.7", "", "image/png", "application/pdf"},
		{"text, of which the message says more", "a;b\n", "text/plain", "text/csv", "text/csv"},
		{"text, of which the service said more", "a;b\n", "text/csv; charset=utf-8", "", "text/csv"},
		{"a page that says it is a picture", "<html><script>", "image/png", "image/png", "text/html"},
		{"bytes that show nothing", "\x00\x01\x02", "application/vnd.acme", "", "application/vnd.acme"},
	} {
		w := kept.Of(owner).Create(t.Context(), one.stored)
		if _, err := w.Write([]byte(one.bytes)); err != nil {
			t.Fatal(err)
		}
		b, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		file := func() *abi.Media { return &abi.Media{Kind: "document", MIME: one.said, Blob: &abi.Blob{ID: b.ID}} }
		m := abi.Message{Type: abi.MessageCards, Media: file(), Cards: []abi.Card{{Media: file()}}}
		got, failure := c.outbound(t.Context(), m, owner)
		if failure != nil {
			t.Fatalf("%s: %v", one.name, failure)
		}
		for _, f := range []*abi.Media{got.Media, got.Cards[0].Media} {
			if f.MIME != one.want || f.Blob.MIME != one.want || f.Blob.Size != int64(len(one.bytes)) {
				t.Errorf("%s: it goes as %q, its blob as %+v; want %q", one.name, f.MIME, *f.Blob, one.want)
			}
		}
		if _, failure := c.outbound(t.Context(), m, "contact:wa/p:2"); failure == nil || failure.Code != abi.CodeDenied {
			t.Errorf("%s: another contact may send it: %v", one.name, failure)
		}
	}
}

// TestInlineFiles: a file in a user's message is a blob of the contact, however
// its base64 is written; one that is none is an error without the file.
func TestInlineFiles(t *testing.T) {
	s := memory.Open(memory.NewDisk(), time.Now)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	vault, err := secret.OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := media.Open(media.Config{Store: s, Vault: vault, Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	c := &Channels{config: Config{Media: kept, Chats: apichat.New(apichat.Config{}), Log: slog.New(slog.DiscardHandler)}}
	for _, one := range []struct{ name, url, code string }{
		{"base64", "data:image/png;base64,+/8=", ""},
		{"with the alphabet of addresses", "data:image/png;base64,-_8", ""},
		{"in lines", "data:image/png;base64,+/\r\n8=\r\n", ""},
		{"with a comma in its type", `data:image/png;name="a,b";base64,+/8=`, ""},
		{"none", "data:image/png;base64,*", abi.CodeInvalid},
		{"as text", "data:text/plain,hello", abi.CodeInvalid},
		{"too large", "data:image/png;base64," + strings.Repeat("AAAA", 100), abi.CodeLimit},
	} {
		m := abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "image", URL: one.url}}
		got, err := c.load(t.Context(), catalog.Channel{ID: "chat", Adapter: catalog.AdapterAPIChat}, "chat/apichat:ana", m)
		if err != nil {
			t.Fatal(err)
		}
		switch f := got.Media; {
		case f.URL != "":
			t.Errorf("%s: the flow gets the file as its address %q", one.name, f.URL)
		case one.code == "" && (f.Error != nil || f.Blob == nil || f.Size != 2):
			t.Errorf("%s: got %+v, %v", one.name, f, f.Error)
		case one.code != "" && (f.Error == nil || f.Error.Code != one.code):
			t.Errorf("%s: got %+v, want %s", one.name, f.Error, one.code)
		}
	}
}
