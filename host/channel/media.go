package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of fetching one message's medium: what it takes holds its contact.
const (
	fetchTries = 3
	fetchTime  = 90 * time.Second // for all tries together
	fetchPause = time.Second      // before the second; the third waits twice as long
)

// loads says whether the host gets the medium of a message of a channel.
func (c *Channels) loads(channel string, m abi.Message) (catalog.Channel, bool) {
	if m.Media == nil || m.Media.Blob != nil || m.Media.ID == "" && m.Media.URL == "" || c.config.Media == nil {
		return catalog.Channel{}, false
	}
	ch, known := c.config.Catalog().Snapshot().Channels[channel]
	return ch, known && (ch.Adapter == catalog.AdapterAPIChat || c.config.Plugins.Has(ch.Adapter, abi.FuncFetch))
}

// load gets a message's medium, in several tries, and gives the message with the
// bytes as a blob of the contact, or with the reason why there are none. The
// error is the context's.
func (c *Channels) load(ctx context.Context, ch catalog.Channel, who contact.Key, m abi.Message) (abi.Message, error) {
	got := *m.Media
	m.Media = &got
	limited, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	var failure *abi.Error
	for try := range fetchTries {
		var fetched abi.Media
		if fetched, failure = c.fetch(limited, ch, who, got); failure == nil {
			m.Media = &fetched
			return m, nil
		}
		pause := max(fetchPause<<try, time.Duration(failure.RetryAfterMillis)*time.Millisecond)
		end, _ := limited.Deadline()
		if !failure.Retryable || try == fetchTries-1 || time.Until(end) < pause {
			break
		}
		select {
		case <-limited.Done():
		case <-time.After(pause):
		}
		if limited.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return m, ctx.Err()
	}
	c.config.Log.Warn("medium of a message not fetched", "channel", ch.ID, "contact", who, "kind", got.Kind, "error", failure.Message)
	got.Error = failure
	if apichat.IsInline(got.URL) { // the whole file, which a run can't hold
		got.URL = ""
	}
	return m, nil
}

// fetch gets a medium once.
func (c *Channels) fetch(ctx context.Context, ch catalog.Channel, who contact.Key, m abi.Media) (abi.Media, *abi.Error) {
	owner := mail.Key(who)
	fetched, failure := c.fetched(ctx, ch, m, c.config.Media.Of(owner))
	if failure != nil {
		return m, failure
	}
	declared := fetched.MIME
	if declared == "" {
		declared = m.MIME
	}
	kept, err := c.config.Media.Kept(ctx, owner, fetched.Blob.ID, declared)
	if err != nil {
		if shaped, ok := errors.AsType[*abi.Error](err); ok {
			return m, shaped
		}
		return m, &abi.Error{Code: abi.CodeUnavailable, Message: err.Error(), Retryable: true}
	}
	if m.SHA256 != "" && !media.Same(kept, m.SHA256) {
		return m, &abi.Error{Code: CodeHash, Message: fmt.Sprintf("channel %s: the medium that came is not the one that was announced: its SHA-256 is another", ch.ID), Retryable: true}
	}
	m.Blob, m.MIME, m.Size, m.SHA256, m.Error = &kept, kept.MIME, kept.Size, kept.SHA256, nil
	if fetched.Filename != "" {
		m.Filename = fetched.Filename
	}
	if address := c.config.Media.URL(kept.ID); address != "" || apichat.IsInline(m.URL) {
		m.URL = address
	}
	return m, nil
}

// fetched lets a channel's adapter get a medium.
func (c *Channels) fetched(ctx context.Context, ch catalog.Channel, m abi.Media, into egress.Blobs) (abi.Fetched, *abi.Error) {
	if ch.Adapter == catalog.AdapterAPIChat {
		return c.config.Chats.Fetch(ctx, ch, m, into)
	}
	var fetched abi.Fetched
	config, err := configOf(ch)
	if err != nil {
		return fetched, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	output, failure := c.call(ctx, ch, adapterCall{export: abi.FuncFetch, blobs: into, timeout: fetchTime}, abi.Fetch{Channel: ch.ID, Config: config, Media: m})
	if failure != nil {
		return fetched, failure
	}
	if err := json.Unmarshal(output, &fetched); err != nil || fetched.Blob.ID == "" {
		return fetched, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: fetch returned no blob", ch.ID)}
	}
	return fetched, nil
}

// CodeHash is the code of a medium whose bytes are not those that the service
// announced.
const CodeHash = "hash_mismatch"

// outbound gives a message as its adapter is to send it: media that the host
// keeps are described as they are kept, and have an address too, for services
// that fetch what they send. A blob that is not the contact's is refused: its
// address would be anyone's key to it.
//
// What it is, its bytes say, as when it was fetched; what the message says of it
// counts where they don't tell, and what it was stored with where nobody says.
func (c *Channels) outbound(ctx context.Context, m abi.Message, owner string) (abi.Message, *abi.Error) {
	if c.config.Media == nil {
		return m, nil
	}
	addressed := func(of *abi.Media) (*abi.Media, *abi.Error) {
		if of == nil || of.Blob == nil {
			return of, nil
		}
		kept, err := c.config.Media.Kept(ctx, owner, of.Blob.ID, of.MIME)
		if failure, ok := errors.AsType[*abi.Error](err); ok {
			return nil, failure
		}
		if err != nil {
			return nil, &abi.Error{Code: abi.CodeUnavailable, Message: err.Error(), Retryable: true}
		}
		with := *of
		with.Blob, with.MIME = &kept, kept.MIME
		if address := c.config.Media.URL(kept.ID); address != "" {
			with.URL = address
		}
		return &with, nil
	}
	var failure *abi.Error
	if m.Media, failure = addressed(m.Media); failure != nil {
		return m, failure
	}
	m.Cards = slices.Clone(m.Cards)
	for i := range m.Cards {
		if m.Cards[i].Media, failure = addressed(m.Cards[i].Media); failure != nil {
			return m, failure
		}
	}
	return m, nil
}
