// Command standin plays RD Station CRM, Telegram's Bot API and the WhatsApp
// Cloud API for the example, as their published contracts have them. What was
// sent, and the deals, are shown at http://127.0.0.1:8172/.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/trama-run/trama/plugins/rdstation/rdtest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// What the example's bot and number are called; all of it is invented.
const (
	botToken = "700000000:not-a-token"
	number   = "106540352242922"
	token    = "not-an-access-token"
)

func main() {
	crm := flag.String("crm", "127.0.0.1:8172", "where RD Station is to be")
	telegram := flag.String("telegram", "127.0.0.1:8173", "where the Bot API is to be")
	graph := flag.String("graph", "127.0.0.1:8174", "where the Cloud API is to be")
	flag.Parse()
	if err := run(*crm, *telegram, *graph); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(crm, telegram, graph string) error {
	deals, err := rdtest.New()
	if err != nil {
		return err
	}
	whatsapp, err := graphtest.New(number, token)
	if err != nil {
		return err
	}
	bot := telegramtest.New(botToken)
	mux := http.NewServeMux()
	mux.Handle("/", deals)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, call := range bot.Calls() {
			if strings.HasPrefix(call.Method, "send") {
				fmt.Fprintf(w, "telegram %s: %s\n", call.Params["chat_id"], call.Text("text"))
			}
		}
		messages, _ := whatsapp.Messages()
		for _, m := range messages {
			fmt.Fprintf(w, "whatsapp %s: %v\n", m.To, m.Body[m.Body["type"].(string)])
		}
		for _, deal := range deals.Records("v1/deals") {
			fmt.Fprintf(w, "deal %s: %s with %v\n", deal["id"], deal["name"], deal["contacts"])
		}
	})
	ended := make(chan error, 3)
	for address, handler := range map[string]http.Handler{crm: mux, telegram: bot, graph: whatsapp} {
		go func() { ended <- http.ListenAndServe(address, handler) }()
	}
	return <-ended
}
