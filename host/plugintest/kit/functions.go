package kit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// function is what takes input: an operation, or a function of the plugin's kind.
type function struct {
	name, export string
	// inputs are what it can do something with, and how its requests are answered
	// then: the first example of an operation, or what a host would give.
	inputs []plugintest.Call
	asks   bool // it may make requests
	// output says what the host reads of its output; nil: any JSON, which an
	// operation's schema may say more of.
	output func() any
}

// all lists what is tried: the operations, what each kind must export, and what
// it may.
func (k *kit) all() (all []function, err error) {
	outward := len(k.Manifest.Capabilities.Egress) > 0
	examples := plugintest.Examples(k.Manifest)
	for _, op := range k.Manifest.Operations {
		f := function{name: op.Name, export: plugin.ExportOf(op)}
		if i := slices.IndexFunc(examples, func(c plugintest.Case) bool { return c.Operation == op.Name }); i >= 0 {
			call, err := k.CallOf(examples[i])
			if err != nil {
				return nil, err
			}
			f.inputs, f.asks = []plugintest.Call{call}, len(call.HTTP) > 0
		}
		all = append(all, f)
	}
	add := func(export string, must, asks bool, output func() any, inputs ...any) error {
		if !must && !k.exports(export) {
			return nil
		}
		f := function{name: export, export: export, asks: asks, output: output}
		for _, input := range inputs {
			data, err := json.Marshal(input)
			if err != nil {
				return err
			}
			f.inputs = append(f.inputs, plugintest.Call{Export: export, Input: data})
		}
		all = append(all, f)
		return nil
	}
	switch k.Manifest.Kind {
	case abi.KindLanguage:
		nothing := json.RawMessage("null")
		if err := add(abi.FuncRun, true, false, nil, abi.Run{Code: "1", Input: json.RawMessage(`{"a":"b","n":1}`), Flow: nothing, User: nothing, Env: nothing}); err != nil {
			return nil, err
		}
		err = add(abi.FuncPrepare, false, false, nil, abi.Prepare{Code: "1"})
	case abi.KindChannel:
		config, ok := plugin.Sample(k.Manifest.Config).(map[string]any)
		if !ok {
			config = map[string]any{}
		}
		connect := map[string]any{"channel": "test", "config": config, "url": "https://trama.example/hooks/test"}
		for _, f := range []struct {
			export     string
			must, asks bool
			output     func() any
			inputs     []any
		}{
			{abi.FuncReceive, true, outward, nil, []any{k.received(config)}}, // whose output the call itself is held to
			{abi.FuncSend, true, outward, func() any { return new(abi.Sent) }, k.sends(config)},
			{abi.FuncFetch, false, outward, func() any { return new(abi.Fetched) }, []any{map[string]any{
				"channel": "test", "config": config, "media": abi.Media{Kind: "image", ID: "7", URL: "https://files.example/7"},
			}}},
			{abi.FuncConnect, false, outward, func() any { return new(abi.Connected) }, []any{connect}},
			{abi.FuncCheck, false, outward, func() any { return new(abi.Connected) }, []any{connect}},
		} {
			if err := add(f.export, f.must, f.asks, f.output, f.inputs...); err != nil {
				return nil, err
			}
		}
	}
	return all, err
}

func (k *kit) exports(name string) bool {
	return slices.ContainsFunc(k.Info.Exports, func(e sandbox.Export) bool { return e.Name == name && e.Callable() })
}

// received is a webhook request: the manifest's sample, if there is one.
func (k *kit) received(config map[string]any) any {
	in := abi.Receive{Channel: "test", Method: "POST", Body: []byte("{}"), ReceivedMillis: 1_700_000_000_000}
	if w := k.Manifest.Webhook; w != nil && w.Sample != nil {
		body := string(w.Sample.Body)
		for name, value := range config {
			if text, is := value.(string); is {
				body = strings.ReplaceAll(body, "{config."+name+"}", text)
			}
		}
		in.Body, in.Headers = []byte(body), map[string]string{}
		for name, value := range w.Sample.Headers {
			in.Headers[strings.ToLower(name)] = value
		}
	}
	in.Config, _ = json.Marshal(config) // of a schema's JSON
	return in
}

// sends is a message of each kind that the adapter says it sends.
func (k *kit) sends(config map[string]any) (all []any) {
	of := messages()
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		if len(k.Manifest.Sends) > 0 && !slices.Contains(k.Manifest.Sends, kind) {
			continue
		}
		all = append(all, map[string]any{
			"channel": "test", "config": config, "to": abi.Address{Scheme: k.Manifest.Name, Path: "15550001111"},
			"message": of[kind], "effect_id": plugintest.EffectID, "heard_millis": 1_700_000_000_000,
		})
	}
	return all
}

// messages gives a message of each kind that can be sent (see [abi.MessageKinds]).
func messages() map[string]abi.Message {
	const text = "Hello"
	buttons := []abi.Button{{ID: "yes", Title: "Yes"}, {ID: "no", Title: "No"}}
	all := map[string]abi.Message{}
	for _, m := range []abi.Message{
		{Type: abi.MessageText},
		{Type: abi.MessageLocation, Location: &abi.Location{Latitude: -23.5, Longitude: -46.6, Name: "Here", Address: "1 Street"}},
		{Type: abi.MessageContacts, Contacts: []abi.ContactCard{{Name: "Ana", Phones: []abi.ContactValue{{Value: "+15550001111", Type: "CELL"}}}}},
		{Type: abi.MessageButtons, Buttons: buttons},
		{Type: abi.MessageList, List: &abi.List{Button: "Choose", Sections: []abi.Section{{Title: "All", Rows: []abi.Row{{ID: "1", Title: "One", Description: "The first"}}}}}},
		{Type: abi.MessageForm, Form: &abi.Form{ID: "7", Button: "Open", Token: "t", Screen: "FIRST", Data: json.RawMessage(`{"a":"b"}`)}},
		{Type: abi.MessageCards, Cards: []abi.Card{{Title: "A card", Subtitle: "below", Media: &abi.Media{Kind: "image", URL: "https://files.example/7"}, Buttons: buttons}}},
		{Type: abi.MessageProduct, Product: &abi.Product{CatalogID: "1", ProductID: "2"}},
		{Type: abi.MessageProductList, ProductList: &abi.ProductList{CatalogID: "1", Sections: []abi.ProductSection{{Title: "All", ProductIDs: []string{"2"}}}}},
		{Type: abi.MessageTemplate, Template: &abi.Template{Name: "welcome", Language: "pt_BR", Params: []string{"Ana"}}},
		{Type: abi.MessageReaction, Reaction: &abi.Reaction{MessageID: "8", Emoji: "👍"}},
		{Type: abi.MessageTyping, ReplyTo: "8"},
		{Type: abi.MessageRead, ReplyTo: "8"},
	} {
		if m.Type != abi.MessageReaction && m.Type != abi.MessageTyping && m.Type != abi.MessageRead {
			m.Text = text
		}
		all[string(m.Type)] = m
	}
	for _, kind := range abi.MediaKinds() {
		all[kind] = abi.Message{Type: abi.MessageMedia, Text: text, Media: &abi.Media{Kind: kind, URL: "https://files.example/7", Filename: "7"}}
	}
	return all
}
