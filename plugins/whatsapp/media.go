package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Media live on a host of their own, which takes the same access token
// (developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media).
const (
	mediaHost   = "lookaside.fbsbx.com"
	tokenSecret = "access_token"
)

// mediaKind is what WhatsApp takes of a kind of medium: its types, none of them
// for any, and its size in bytes.
type mediaKind struct {
	types []string
	most  int64
}

const mb = 1 << 20

// mediaKinds are the kinds by their names here.
var mediaKinds = map[string]mediaKind{
	"image":    {[]string{"image/jpeg", "image/png"}, 5 * mb},
	"video":    {[]string{"video/mp4", "video/3gpp"}, 16 * mb},
	"audio":    {[]string{"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}, 16 * mb},
	"voice":    {[]string{"audio/ogg"}, 16 * mb},
	"document": {nil, 100 * mb},
	"sticker":  {[]string{"image/webp"}, 500 << 10},
}

// instead are the kinds that a file is sent as whose type or size is none of its
// own kind's, such as a picture of the type image/webp.
var instead = map[string][]string{
	"image": {"document"}, "video": {"document"}, "audio": {"document"},
	"voice": {"audio", "document"}, "sticker": {"image", "document"},
}

// takes says what WhatsApp does not take of a kind; nil: it takes the file.
func (k mediaKind) takes(place, kind, mime string, size int64) error {
	switch {
	case k.types != nil && !slices.Contains(k.types, mime):
		return unsupported(place+".mime", "whatsapp takes no %s of the type %s, but %s", kind, mime, strings.Join(k.types, ", "))
	case size > k.most:
		return unsupported(place+".blob", "it has %d bytes; of the kind %s whatsapp takes at most %d", size, kind, k.most)
	}
	return nil
}

// upload gives the message with the files that the host keeps as files that
// WhatsApp has.
func (s sender) upload(c config, m abi.Message) (abi.Message, error) {
	var err error
	if m.Media, err = s.uploaded(c, "media", m.Media, instead); err != nil {
		return m, err
	}
	m.Cards = slices.Clone(m.Cards)
	for i := range m.Cards {
		if m.Cards[i].Media, err = s.uploaded(c, fmt.Sprintf("cards[%d].media", i), m.Cards[i].Media, nil); err != nil {
			return m, err
		}
	}
	return m, nil
}

// uploaded uploads one file: POST /{phone_number_id}/media. It becomes the first
// kind that takes it, its own or one instead.
func (s sender) uploaded(c config, place string, m *abi.Media, instead map[string][]string) (*abi.Media, error) {
	if m == nil || m.Blob == nil {
		return m, nil
	}
	mime, _, _ := strings.Cut(cmp.Or(m.MIME, m.Blob.MIME), ";")
	if mime = strings.TrimSpace(mime); mime == "" {
		mime = "application/octet-stream"
	}
	kind, refused := m.Kind, mediaKinds[m.Kind].takes(place, m.Kind, mime, m.Blob.Size)
	for _, other := range instead[m.Kind] {
		if refused != nil && mediaKinds[other].takes(place, other, mime, m.Blob.Size) == nil {
			kind, refused = other, nil
		}
	}
	if refused != nil {
		return nil, refused
	}
	name := m.Filename
	if kind == "document" && name == "" { // which people open by its name
		_, sort, _ := strings.Cut(mime, "/")
		sort, _, _ = strings.Cut(sort, "+")
		name = "file." + sort
	}
	answer, err := s.send(abi.HTTPRequest{
		Method: "POST",
		URL:    "/" + string(c.PhoneNumberID) + "/media",
		Parts: []abi.HTTPPart{
			{Name: "messaging_product", Text: "whatsapp"},
			{Name: "type", Text: mime},
			{Name: "file", Filename: cmp.Or(name, "file"), Type: mime, Blob: m.Blob.ID},
		},
	})
	if err != nil {
		return nil, err
	}
	var body struct {
		ID id `json:"id"`
	}
	if err := s.read(answer, "the upload of a file", &body); err != nil {
		return nil, err
	}
	if body.ID == "" {
		return nil, &abi.Error{Code: abi.CodeUnknown, Message: "whatsapp took the file and gave no id for it", Retryable: true}
	}
	return &abi.Media{Kind: kind, ID: string(body.ID), Filename: name}, nil
}

// fetcher gets media that came in messages.
type fetcher struct {
	sender
	secret func(name string) (string, error)
}

// fetch asks where a medium is, and gets it from there. The address is good for
// five minutes.
func (f fetcher) fetch(in abi.Fetch) (abi.Fetched, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Fetched{}, err
	}
	if !isDigits(in.Media.ID) {
		return abi.Fetched{}, pdk.Errorf(abi.CodeInvalid, "media.id: %q is no id of whatsapp's", in.Media.ID)
	}
	answer, err := f.send(abi.HTTPRequest{URL: "/" + in.Media.ID + "?phone_number_id=" + string(config.PhoneNumberID)})
	if err != nil {
		return abi.Fetched{}, err
	}
	var about struct {
		URL  string `json:"url"`
		MIME string `json:"mime_type"`
	}
	if err := f.read(answer, "the address of a medium", &about); err != nil {
		return abi.Fetched{}, err
	}
	address, err := url.Parse(about.URL)
	if err != nil || address.Host == "" {
		return abi.Fetched{}, &abi.Error{Code: abi.CodeUnknown, Message: "whatsapp gave no address for the medium", Retryable: true}
	}
	request := abi.HTTPRequest{URL: about.URL, Response: abi.ResponseBlob}
	if address.Host == mediaHost { // elsewhere it is the connection's own, which adds the token
		token, err := f.secret(tokenSecret)
		if err != nil {
			return abi.Fetched{}, err
		}
		request.Headers = map[string]string{"Authorization": "Bearer " + token}
	}
	answer, err = f.send(request)
	if err != nil {
		return abi.Fetched{}, err
	}
	if answer.Status != 200 || answer.Blob == nil {
		return abi.Fetched{}, &abi.Error{
			Code: "whatsapp_media", Message: fmt.Sprintf("whatsapp's media server answered %d", answer.Status),
			Retryable: answer.Status == 404 || answer.Status == 401 || pdk.MayRetry(answer.Status), // an address that has run out; the next try asks anew
		}
	}
	return abi.Fetched{Blob: *answer.Blob, MIME: about.MIME}, nil
}

// read reads an answer to another request than that for a message.
func (s sender) read(answer abi.HTTPResponse, what string, into any) error {
	if answer.Status >= 200 && answer.Status <= 299 {
		if err := json.Unmarshal([]byte(answer.Body), into); err != nil {
			return &abi.Error{Code: abi.CodeUnknown, Message: fmt.Sprintf("whatsapp answered %s with something that is not the JSON of its documentation: %v", what, err), Retryable: true}
		}
		return nil
	}
	return s.refusal(answer)
}
