package main

import (
	"encoding/json"
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// operator does what the operator of a channel asks for.
type operator struct {
	sender
	secret func(name string) (string, error)
}

// connect makes an address the one that the number's webhooks go to, in place of
// the app's: WhatsApp asks it for the verify token at once
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override).
func (o operator) connect(in abi.Connect) (abi.Connected, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Connected{}, err
	}
	token, err := o.secret("verify_token")
	if err != nil {
		return abi.Connected{}, err
	}
	body, err := json.Marshal(map[string]any{"webhook_configuration": map[string]string{"override_callback_uri": in.URL, "verify_token": token}})
	if err != nil {
		return abi.Connected{}, err
	}
	answer, err := o.send(abi.HTTPRequest{
		Method: "POST", URL: "/" + string(config.PhoneNumberID),
		Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body),
	})
	if err != nil {
		return abi.Connected{}, err
	}
	var done struct {
		Success bool `json:"success"`
	}
	if err := o.read(answer, "the webhook's new address", &done); err != nil {
		return abi.Connected{}, err
	}
	if !done.Success {
		return abi.Connected{}, pdk.Errorf(abi.CodeUnknown, "whatsapp did not say that it has taken the address")
	}
	return o.check(in)
}

// number is what the Graph API says of a phone number.
type number struct {
	Display string `json:"display_phone_number"`
	Name    string `json:"verified_name"`
	Quality string `json:"quality_rating"`
	Status  string `json:"status"`
	Webhook struct {
		Number  string `json:"phone_number"`
		Account string `json:"whatsapp_business_account"`
		App     string `json:"application"`
	} `json:"webhook_configuration"`
}

// check says whose the number is and where its webhooks go.
func (o operator) check(in abi.Connect) (abi.Connected, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Connected{}, err
	}
	answer, err := o.send(abi.HTTPRequest{URL: "/" + string(config.PhoneNumberID) + "?fields=display_phone_number,verified_name,quality_rating,status,webhook_configuration"})
	if err != nil {
		return abi.Connected{}, err
	}
	var n number
	if err := o.read(answer, "who the number is", &n); err != nil {
		return abi.Connected{}, err
	}
	out := abi.Connected{Account: fmt.Sprintf("%s (%s)", n.Display, n.Name)}
	for _, address := range []string{n.Webhook.Number, n.Webhook.Account, n.Webhook.App} { // the nearest counts
		if out.Webhook == "" {
			out.Webhook = address
		}
	}
	if n.Quality != "" && n.Quality != "GREEN" && n.Quality != "UNKNOWN" {
		out.Notes = append(out.Notes, "the number's quality is "+n.Quality+": WhatsApp lowers its limits when people block or report it")
	}
	if n.Status != "" && n.Status != "CONNECTED" {
		out.Notes = append(out.Notes, "the number's status is "+n.Status)
	}
	if in.URL != "" && out.Webhook != "" && out.Webhook != in.URL {
		out.Notes = append(out.Notes, "its webhooks go to another address than this channel's")
	}
	return out, nil
}
