// Command standin plays Google and Telegram for the example: a spreadsheet with
// invoices, the token endpoint of a service account, and the Bot API of one
// bot. What was sent is at http://127.0.0.1:8183/, what the sheet has at
// http://127.0.0.1:8182/.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

// What the example's spreadsheet and bot are called; all of it is invented.
const (
	spreadsheet = "1InventedInvoices"
	sheet       = "Invoices"
	botToken    = "700000000:not-a-token"
)

func main() {
	google := flag.String("google", "127.0.0.1:8182", "where Google Sheets is to be")
	telegram := flag.String("telegram", "127.0.0.1:8183", "where the Bot API is to be")
	key := flag.String("key", "build/google-key.json", "where to write the service account's key file")
	flag.Parse()
	if err := run(*google, *telegram, *key); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(google, telegram, keyFile string) error {
	account, err := newAccount("http://" + google + "/token")
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, account.file(), 0o600); err != nil {
		return err
	}
	stub := sheetstest.New(account.token)
	stub.Put(spreadsheet, sheet,
		[]any{"invoice", "name", "chat", "amount", "due", "sent", "answer", "note"},
		[]any{"F-17", "Ana", json.Number("700100200301"), "R$ 99,90", "30/11/2026"},
		[]any{"F-18", "Rui", json.Number("700100200302"), "R$ 20,00", "30/11/2026"},
		[]any{"F-19", "Bia", "", "R$ 5,00", "01/12/2026"},
		[]any{"F-20", "Leo", json.Number("700100200304"), "R$ 7,50", "01/12/2026", "2026-11-02T12:00:00Z"})
	bot := telegramtest.New(botToken)

	sheets := http.NewServeMux()
	sheets.Handle("/v4/", stub)
	sheets.Handle("POST /token", account)
	sheets.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, row := range stub.Cells(spreadsheet, sheet) {
			for i, cell := range row {
				if i > 0 {
					fmt.Fprint(w, " | ")
				}
				fmt.Fprint(w, cell)
			}
			fmt.Fprintln(w)
		}
	})
	chats := http.NewServeMux()
	chats.Handle("/", bot)
	chats.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, call := range bot.Calls() {
			if strings.HasPrefix(call.Method, "send") {
				fmt.Fprintf(w, "to %s: %s\n", call.Params["chat_id"], call.Text("text"))
			}
		}
	})
	ended := make(chan error, 2)
	go func() { ended <- http.ListenAndServe(google, sheets) }()
	go func() { ended <- http.ListenAndServe(telegram, chats) }()
	return <-ended
}
