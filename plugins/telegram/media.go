package main

import (
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Limits of uploads (core.telegram.org/bots/api#sending-files).
const (
	maxUpload = 50 << 20
	maxPhoto  = 10 << 20
)

// fileOf sends a file by its bytes, by the id of one that Telegram has, or by
// an address from which it gets it.
func fileOf(m abi.Message, buttons any) (call, error) {
	method, field := methodOf(*m.Media)
	c := call{method: method, params: map[string]any{}}
	text := whole(m)
	if text != "" && field == "sticker" {
		return c, unsupported("text", "telegram shows no text with a sticker; send the text as a message of its own")
	}
	if err := within("text", text, maxCaption); err != nil {
		return c, err
	}
	if text != "" {
		c.params["caption"] = text
	}
	if buttons != nil {
		c.params["reply_markup"] = buttons
	}
	switch f := *m.Media; {
	case f.Blob != nil:
		if f.Blob.Size > maxUpload {
			return c, pdk.Errorf(abi.CodeInvalid, "message.media: %d bytes; bots upload at most %d", f.Blob.Size, maxUpload)
		}
		c.file = &abi.HTTPPart{Name: field, Filename: filename(f), Type: mimeOf(f), Blob: f.Blob.ID}
	case f.ID != "":
		c.params[field] = f.ID
	default:
		c.params[field] = f.URL
	}
	return c, nil
}

// methodOf gives the method for a file and the field that it goes into. What
// Telegram does not show as a photo goes out as what it is.
func methodOf(f abi.Media) (method, field string) {
	switch f.Kind {
	case "image":
		mime := mimeOf(f)
		switch {
		case mime == "image/gif":
			return "sendAnimation", "animation"
		case f.Blob != nil && f.Blob.Size > maxPhoto, mime != "" && !slices.Contains([]string{"image/jpeg", "image/png", "image/webp"}, mime):
			return "sendDocument", "document"
		}
		return "sendPhoto", "photo"
	case "video":
		return "sendVideo", "video"
	case "audio":
		return "sendAudio", "audio"
	case "voice":
		return "sendVoice", "voice"
	case "sticker":
		return "sendSticker", "sticker"
	}
	return "sendDocument", "document"
}

// mimeOf is a file's type without its parameters.
func mimeOf(f abi.Media) string {
	mime := f.MIME
	if mime == "" && f.Blob != nil {
		mime = f.Blob.MIME
	}
	mime, _, _ = strings.Cut(mime, ";")
	return strings.ToLower(strings.TrimSpace(mime))
}

// filename is a file's name. One that is uploaded needs some.
func filename(f abi.Media) string {
	if f.Filename != "" {
		return f.Filename
	}
	names := map[string]string{
		"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4",
		"video/webm": ".webm", "audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "application/pdf": ".pdf",
	}
	return f.Kind + names[mimeOf(f)]
}

// editFile makes a request that sends a file one that puts it in another's
// place (core.telegram.org/bots/api#editmessagemedia).
func editFile(c call, m abi.Message) (call, error) {
	field := map[string]string{
		"sendPhoto": "photo", "sendVideo": "video", "sendAnimation": "animation", "sendAudio": "audio", "sendDocument": "document",
	}[c.method]
	if field == "" {
		return c, unsupported("edits", "telegram puts no %s in the place of another file; send it as a message of its own", m.Media.Kind)
	}
	media := map[string]any{"type": field, "media": c.params[field]}
	if c.file != nil {
		c.file.Name = "file"
		media["media"] = "attach://file"
	}
	if caption, is := c.params["caption"]; is {
		media["caption"] = caption
	}
	out := call{method: "editMessageMedia", params: map[string]any{"media": media}, file: c.file}
	if markup, is := c.params["reply_markup"]; is {
		out.params["reply_markup"] = markup
	}
	return out, nil
}
