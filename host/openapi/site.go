package openapi

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/etag"
)

//go:embed page
var page embed.FS

// Policy is the content security policy of the page: everything that it shows
// and does is its own origin's.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is something that is served.
type File struct {
	Type string // of media
	ETag string // with its quotes
	Body []byte // shared: not to be changed
}

// Site serves the document of the present routes, and the page that shows it.
type Site struct {
	prefix  string
	files   map[string]File // by path
	current atomic.Pointer[func() (File, bool, error)]
}

// NewSite returns a site for routes that are served under prefix.
func NewSite(prefix string) (*Site, error) {
	s := &Site{prefix: prefix, files: map[string]File{}}
	for path, f := range map[string]struct{ name, media string }{
		"/docs":          {"index.html", "text/html; charset=utf-8"},
		"/docs/page.css": {"page.css", "text/css; charset=utf-8"},
		"/docs/page.js":  {"page.js", "text/javascript; charset=utf-8"},
	} {
		data, err := fs.ReadFile(page, "page/"+f.name)
		if err != nil {
			return nil, fmt.Errorf("page of the OpenAPI document: %w", err)
		}
		s.files[path] = fileOf(f.media, data)
	}
	s.Update(&catalog.Snapshot{})
	return s, nil
}

func fileOf(media string, data []byte) File {
	return File{Type: media, ETag: etag.Of(media, data), Body: data}
}

// Update makes the site describe a snapshot. The document is made when
// somebody asks for it, once.
func (s *Site) Update(snapshot *catalog.Snapshot) {
	made := sync.OnceValues(func() (File, error) {
		data, err := Public(snapshot, s.prefix).JSON()
		return fileOf("application/json", data), err
	})
	open := snapshot.Gateway.OpenAPI == nil || *snapshot.Gateway.OpenAPI
	get := func() (File, bool, error) {
		if !open {
			return File{}, false, nil
		}
		f, err := made()
		return f, true, err
	}
	s.current.Store(&get)
}

// File gives what is served at a path: /openapi.json, /docs and what the page
// is made of. Ok is false where nothing is, or where gateway.yaml says
// "openapi: false".
func (s *Site) File(path string) (f File, ok bool, err error) {
	document, ok, err := (*s.current.Load())()
	if err != nil || !ok || path == "/openapi.json" {
		return document, ok, err
	}
	f, ok = s.files[path]
	return f, ok, nil
}
