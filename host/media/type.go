package media

import (
	"mime"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// sniffed is how many bytes show what something is: as many as mimetype reads.
const sniffed = 3072

// shown are the types that a browser may show as it gets them: it runs nothing
// that is in them. Others, HTML and SVG above all, are only for saving.
var shown = []string{"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "application/pdf"}

// kind is what bytes are: a type without parameters, and a file's ending, such
// as ".pdf".
type kind struct{ mime, ending string }

// sniff says what the beginning of something shows that it is.
func sniff(begin []byte) kind {
	found := mimetype.Detect(begin)
	return kind{bare(found.String()), found.Extension()}
}

// inline says whether a browser may show it.
func (k kind) inline() bool {
	return slices.Contains(shown, k.mime) || strings.HasPrefix(k.mime, "audio/") || strings.HasPrefix(k.mime, "video/")
}

// Told says what a medium is, by its beginning and by what its sender says.
// Bytes that show nothing in particular, text or an archive, may be what is
// said: many formats are text or archives.
func Told(begin []byte, declared string) string {
	found := sniff(begin).mime
	said := bare(declared)
	switch {
	case said == "" || !strings.Contains(said, "/"):
		return found
	case found == "application/octet-stream" && !active(said),
		found == "text/plain" && strings.HasPrefix(said, "text/") && !active(said),
		found == "text/plain" && said == "application/json",
		(found == "application/zip" || found == "application/x-ole-storage") && strings.HasPrefix(said, "application/") && !active(said),
		found == "application/ogg" && said == "audio/ogg",
		found == "video/mp4" && said == "audio/mp4",
		found == "video/webm" && said == "audio/webm":
		return said
	}
	return found
}

// active says whether a browser runs what is in such a file.
func active(mime string) bool {
	return strings.Contains(mime, "html") || strings.Contains(mime, "xml") || strings.Contains(mime, "svg") || strings.Contains(mime, "script")
}

// bare is a type in lower case without its parameters; empty if it is none.
func bare(text string) string {
	media, _, err := mime.ParseMediaType(text)
	if err != nil {
		return ""
	}
	return media
}
