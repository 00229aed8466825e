package main

import (
	"testing"

	"github.com/trama-run/trama/pdk/go/pdktest"
)

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(*pdktest.Host) map[string]pdktest.Handler {
		return map[string]pdktest.Handler{"to_json": pdktest.Handle(convert), "from_json": pdktest.Handle(build)}
	})
}

// TestConventions: what to_json gives, in each convention, from_json takes
// back.
func TestConventions(t *testing.T) {
	const document = `<o id="7" p:k="&quot;x" xmlns="urn:o" xmlns:p="urn:p"><a>1</a><a p:z="2">Pão &amp; café</a><p:b><c/></p:b></o>`
	for _, convention := range []string{"", "xml2js", "fast-xml-parser", "badgerfish"} {
		text, no := document, false
		converted, err := convert(Input{XML: &text, Shape: Shape{Convention: convention}})
		if err != nil {
			t.Fatal(err)
		}
		back, err := build(BuildInput{JSON: converted, Shape: Shape{Convention: convention}, Declaration: &no})
		if err != nil {
			t.Fatalf("%q: %v", convention, err)
		}
		if *back.XML != document {
			t.Errorf("%q: %s\ngave %s\nwant %s", convention, converted, *back.XML, document)
		}
	}
}
