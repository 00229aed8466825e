package egress

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// maxParts is the most parts of one body. What they and their heads hold in
// memory counts as the body's bytes; blobs are streamed.
const maxParts = 256

const formData = "multipart/form-data"

// readParts makes a body of the type multipart/form-data (RFC 7578), whose
// boundary nobody can foresee, so no content can end its part.
func (s *Scope) readParts(ctx context.Context, parts []abi.HTTPPart, to target, header http.Header) (b body, failure *abi.Error) {
	if header.Get("Content-Type") != "" {
		return b, fail(abi.CodeInvalid, "%s: header Content-Type is the host's to set for a body of parts: leave it out", to.name())
	}
	if len(parts) > maxParts {
		return b, fail(abi.CodeLimit, "%s: the body has %d parts, and %d is the most: send fewer", to.name(), len(parts), maxParts)
	}
	var text bytes.Buffer // what comes before the next blob
	form := multipart.NewWriter(&text)
	left := s.policy.HTTPBytes
	flush := func() *abi.Error {
		if left -= int64(text.Len()); left < 0 {
			return s.tooLong(to.name(), "the request's body")
		}
		b.pieces = append(b.pieces, piece{data: bytes.Clone(text.Bytes())})
		text.Reset()
		return nil
	}
	for i, part := range parts {
		blob, failure := s.statPart(ctx, to, i, part)
		if failure != nil {
			return b, failure
		}
		head, failure := s.partHead(to, i, part, blob)
		if failure != nil {
			return b, failure
		}
		content, err := form.CreatePart(head)
		if err != nil {
			return b, fail(abi.CodeInvalid, "%s: part %d: %v", to.name(), i, err)
		}
		if blob == nil {
			data, secret, failure := s.partContent(to, i, part)
			if failure != nil {
				return b, failure
			}
			b.secret = b.secret || secret
			content.Write(data) //nolint:errcheck // into memory
		}
		if failure := flush(); failure != nil {
			return b, failure
		}
		if blob != nil {
			b.pieces = append(b.pieces, piece{blob: blob})
		}
	}
	form.Close() //nolint:errcheck // into memory
	header.Set("Content-Type", form.FormDataContentType())
	return b, flush()
}

// statPart describes the blob of a part, which is nil for another content.
func (s *Scope) statPart(ctx context.Context, to target, i int, part abi.HTTPPart) (*abi.Blob, *abi.Error) {
	given := 0
	for _, content := range []string{part.Text, part.Base64, part.Blob} {
		if content != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, fail(abi.CodeInvalid, "%s: part %d has more than one of text, base64 and blob: give one", to.name(), i)
	case part.Blob == "":
		return nil, nil
	}
	return s.stat(ctx, to, part.Blob)
}

// partHead makes the head of a part. Secrets have no place there.
func (s *Scope) partHead(to target, i int, part abi.HTTPPart, blob *abi.Blob) (textproto.MIMEHeader, *abi.Error) {
	for what, text := range map[string]string{"name": part.Name, "filename": part.Filename, "type": part.Type} {
		if !validHeaderValue(text) || !utf8.ValidString(text) {
			return nil, fail(abi.CodeInvalid, "%s: the %s of part %d holds a line break or control character, or is not UTF-8", to.name(), what, i)
		}
		if _, _, failure := s.fill(to, text, placeBody, func(string) (string, error) {
			return "", errors.New("a part's content is the place for it, not its " + what)
		}); failure != nil {
			return nil, failure
		}
	}
	if part.Name == "" {
		return nil, fail(abi.CodeInvalid, "%s: part %d has no name: give it that of its field", to.name(), i)
	}
	head, kind := textproto.MIMEHeader{}, part.Type
	if part.Filename == "" {
		head.Set("Content-Disposition", strings.TrimSuffix(multipart.FileContentDisposition(part.Name, ""), `; filename=""`))
	} else {
		head.Set("Content-Disposition", multipart.FileContentDisposition(part.Name, part.Filename))
		if kind == "" && blob != nil {
			kind = blob.MIME
		}
		if kind == "" {
			kind = "application/octet-stream"
		}
	}
	if kind != "" {
		head.Set("Content-Type", kind)
	}
	return head, nil
}

// partContent gives the content of a part that is no blob, with secrets as they
// are: nothing in it needs to be escaped.
func (s *Scope) partContent(to target, i int, part abi.HTTPPart) (data []byte, secret bool, failure *abi.Error) {
	data = []byte(part.Text)
	if part.Base64 != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(part.Base64); err != nil {
			return nil, false, fail(abi.CodeInvalid, "%s: the base64 of part %d is not standard base64", to.name(), i)
		}
	}
	text, secret, failure := s.fill(to, string(data), placeBody, func(v string) (string, error) { return v, nil })
	if failure != nil || !secret {
		return data, false, failure
	}
	return []byte(text), true, nil
}

// Parts reads a body of the type multipart/form-data into the parts that make
// it; ok is false for another type. Content that is not UTF-8 is in Base64. For
// those who write down what went out: the boundary is another one each time.
func Parts(contentType string, data []byte) (parts []abi.HTTPPart, ok bool) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != formData {
		return nil, false
	}
	form := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	for {
		p, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, true
		}
		if err != nil {
			return nil, false
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, false
		}
		part := abi.HTTPPart{Name: p.FormName(), Type: p.Header.Get("Content-Type")}
		if _, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition")); err == nil {
			part.Filename = params["filename"] // FileName gives its last segment alone
		}
		if utf8.Valid(content) {
			part.Text = string(content)
		} else {
			part.Base64 = base64.StdEncoding.EncodeToString(content)
		}
		parts = append(parts, part)
	}
}
