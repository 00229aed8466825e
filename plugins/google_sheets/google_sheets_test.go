package main

import (
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/go/pdktest"
)

func over(host *pdktest.Host) service {
	return service{send: host.HTTPSend, effectID: host.EffectID, now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
}

func handlers(s service) map[string]pdktest.Handler {
	return map[string]pdktest.Handler{
		"read":               pdktest.Handle(s.read),
		"find":               pdktest.Handle(s.find),
		"append":             pdktest.Handle(s.append),
		"append_once":        pdktest.Handle(s.appendOnce),
		"update":             pdktest.Handle(s.update),
		"update_or_insert":   pdktest.Handle(s.updateOrInsert),
		"read_ranges":        pdktest.Handle(s.readRanges),
		"update_ranges":      pdktest.Handle(s.updateRanges),
		"clear":              pdktest.Handle(s.clear),
		"list_sheets":        pdktest.Handle(s.listSheets),
		"create_sheet":       pdktest.Handle(s.createSheet),
		"create_spreadsheet": pdktest.Handle(s.createSpreadsheet),
	}
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler { return handlers(over(host)) })
}
