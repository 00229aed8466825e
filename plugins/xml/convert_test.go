package main

import (
	"testing"

	"github.com/trama-run/trama/pdk/go/pdktest"
)

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(*pdktest.Host) map[string]pdktest.Handler {
		return map[string]pdktest.Handler{"to_json": pdktest.Handle(convert)}
	})
}
