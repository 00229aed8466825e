package plugin

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// languagePattern is a language tag (RFC 5646) with a region or a script at
// most, which is as far as people's choices go.
var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?$`)

func (fs *Faults) checkTitles(at string, titles map[string]string) {
	for _, language := range slices.Sorted(maps.Keys(titles)) {
		if !languagePattern.MatchString(language) {
			fs.report(at, "%q: want a language, such as pt-BR", language)
		}
		if strings.TrimSpace(titles[language]) == "" {
			fs.report(at+"."+language, "it is empty: leave it out, and the English title is shown")
		}
	}
}

func (fs *Faults) checkChannel(m abi.Manifest) {
	fs.checkWebhook(m.Webhook)
	for i, kind := range m.Sends {
		at := "sends." + strconv.Itoa(i)
		if !slices.Contains(abi.MessageKinds(), kind) {
			fs.report(at, "%q: want one of %s", kind, strings.Join(abi.MessageKinds(), ", "))
		}
		if slices.Index(m.Sends, kind) < i {
			fs.report(at, "%q is there twice", kind)
		}
	}
	for i, form := range m.Addresses {
		at := "addresses." + strconv.Itoa(i)
		pattern, err := regexp.Compile(`^(?:` + form.Pattern + `)$`)
		switch {
		case form.Scheme == "" || form.Pattern == "" || form.Example == "":
			fs.report(at, "want a scheme, a pattern and an example")
		case err != nil:
			fs.report(at+".pattern", "%v", err)
		case !pattern.MatchString(form.Example):
			fs.report(at+".example", "%q does not fit the pattern", form.Example)
		}
		if slices.IndexFunc(m.Addresses, func(f abi.AddressForm) bool { return f.Scheme == form.Scheme }) < i {
			fs.report(at, "the scheme %q is there twice", form.Scheme)
		}
	}
	b := m.Bounds
	for _, bound := range []struct {
		name  string
		value int
	}{
		{"text", b.Text}, {"caption", b.Caption}, {"interactive", b.Interactive}, {"buttons", b.Buttons}, {"button_title", b.ButtonTitle},
		{"button_id", b.ButtonID}, {"rows", b.Rows}, {"row_title", b.RowTitle}, {"row_id", b.RowID}, {"cards", b.Cards},
		{"fewest_cards", b.FewestCards}, {"card_text", b.CardText}, {"card_media", b.CardMedia}, {"unique_titles", b.UniqueTitles},
	} {
		if bound.value < 0 {
			fs.report("bounds."+bound.name, "%d: want more than 0, or nothing where the service has no limit", bound.value)
		}
	}
	for _, bound := range []struct {
		name  string
		value int
	}{{"url_buttons", b.URLButtons}, {"row_text", b.RowText}, {"section_title", b.SectionTitle}, {"frame", b.Frame}} {
		if bound.value < -1 {
			fs.report("bounds."+bound.name, "%d: want more than 0, -1 for none at all, or nothing where the service has no limit", bound.value)
		}
	}
	if b.Edits != 0 && b.Edits != -1 {
		fs.report("bounds.edits", "%d: want -1 where no message can replace an earlier one, or nothing", b.Edits)
	}
}

func (fs *Faults) checkWebhook(w *abi.Webhook) {
	if w == nil {
		return // a channel that is only written to
	}
	if s := w.Signature; s != nil {
		switch {
		case s.Header == "" || s.Secret == "":
			fs.report("webhook.signature", "want a header and a secret")
		case s.Algorithm != "hmac-sha256":
			fs.report("webhook.signature.algorithm", "%q: want hmac-sha256", s.Algorithm)
		case s.Encoding != "hex" && s.Encoding != "base64":
			fs.report("webhook.signature.encoding", "%q: want hex or base64", s.Encoding)
		case s.Signed != "body":
			fs.report("webhook.signature.signed", "%q: want body", s.Signed)
		}
	}
	if t := w.Token; t != nil && (!headerPattern.MatchString(t.Header) || t.Secret == "") {
		fs.report("webhook.token", "want the name of a header and a secret")
	}
	fs.checkSample(w)
	if h := w.Handshake; h != nil && (h.Token == "" || h.Challenge == "" || h.Secret == "") {
		fs.report("webhook.handshake", "want token, challenge and secret")
	}
	if id := w.DeliveryID; id != "" && id != "body_sha256" && !strings.HasPrefix(id, "header:") {
		fs.report("webhook.delivery_id", "%q: want header:<Name> or body_sha256", id)
	}
}

// headerPattern is a header's name.
var headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (fs *Faults) checkSample(w *abi.Webhook) {
	s := w.Sample
	if s == nil {
		return
	}
	if body := bytes.TrimSpace(s.Body); len(body) == 0 || body[0] != '{' && body[0] != '[' || !json.Valid(body) {
		fs.report("webhook.sample.body", "want a request's body, as JSON")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		switch {
		case !headerPattern.MatchString(name):
			fs.report("webhook.sample.headers", "%q is no name of a header", name)
		case w.Token != nil && strings.EqualFold(name, w.Token.Header), w.Signature != nil && strings.EqualFold(name, w.Signature.Header):
			fs.report("webhook.sample.headers", "%s: leave it out: the host makes it when it tries the channel", name)
		}
	}
}
