// Package etag names what an HTTP answer holds, so that who has it already need
// not get it again (RFC 9110, section 8.8.3). It must not know HTTP servers.
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Of gives the ETag of a body of a media type, with its quotes.
func Of(media string, body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", media)
	h.Write(body)
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15]) + `"`
}

// Match says whether an If-None-Match header names a tag (RFC 9110, section
// 13.1.2): * names all, and weak and strong tags are alike.
func Match(header, tag string) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
