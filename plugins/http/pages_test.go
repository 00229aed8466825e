package main

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func page(url, body string, headers map[string]string) abi.HTTPExchange {
	return abi.HTTPExchange{Request: abi.HTTPRequest{URL: url}, Response: abi.HTTPResponse{Status: 200, Body: body, Headers: headers}}
}

func TestPages(t *testing.T) {
	link := func(to string) map[string]string { return map[string]string{"link": to} }
	tests := []struct {
		name, input string
		http        []abi.HTTPExchange
		want, fails string
	}{
		{"by number, to an empty page", `"url":"/a","pages":{"by":"page","start":0,"param":"p"}`,
			[]abi.HTTPExchange{page("/a?p=0", "[1]", nil), page("/a?p=1", "[2,3]", nil), page("/a?p=2", "[]", nil)}, `"body":[1,2,3],"pages":3,"more":false}`, ""},
		{"by number, to the most", `"url":"/a","pages":{"by":"page","max":1}`,
			[]abi.HTTPExchange{page("/a?page=1", "[1]", nil)}, `"pages":1,"more":true,"next":"2"}`, ""},
		{"the items alone", `"url":"/a","output":"body","pages":{"by":"page"}`,
			[]abi.HTTPExchange{page("/a?page=1", "[]", nil)}, `[]`, ""},
		{"the items alone, of a list that goes on", `"url":"/a","output":"body","pages":{"by":"page","max":2}`,
			[]abi.HTTPExchange{page("/a?page=1", "[1]", nil), page("/a?page=2", "[2]", nil)}, "", "the list goes on after 2 pages"},
		{"a link that is a query", `"url":"/a","query":{"n":1},"pages":{"by":"link"}`,
			[]abi.HTTPExchange{page("/a?n=1", "[1]", link(`<?n=1&c=2>; rel=next`)), page("/a?n=1&c=2", "[2]", nil)}, `"body":[1,2]`, ""},
		{"a link beside an absolute URL", `"url":"https://x.example/v1/a","pages":{"by":"link"}`,
			[]abi.HTTPExchange{page("https://x.example/v1/a", "[1]", link(`</v1/a?c=2>; title="a<b"; rel="prev next"`)), page("https://x.example/v1/a?c=2", "[2]", nil)}, `"body":[1,2]`, ""},
		{"a link below an unknown base", `"url":"/a","pages":{"by":"link"}`,
			[]abi.HTTPExchange{page("/a", "[1]", link(`</v1/a?c=2>; rel="next"`))}, "", "write the node's url in full"},
		{"a URL in the body", `"url":"/a","pages":{"by":"link","next":"@odata.nextLink","items":"value"}`,
			[]abi.HTTPExchange{page("/a", `{"value":[1],"@odata.nextLink":"https://x.example/a?c=2"}`, nil), page("https://x.example/a?c=2", `{"value":[2]}`, nil)}, `"body":[1,2]`, ""},
		{"a cursor that is a number", `"url":"/a","pages":{"by":"cursor","next":"next","param":"from","items":"rows"}`,
			[]abi.HTTPExchange{page("/a", `{"rows":[1],"next":7}`, nil), page("/a?from=7", `{"rows":null,"next":false}`, nil)}, `"body":[1]`, ""},
		{"a cursor that comes again", `"url":"/a","pages":{"by":"cursor","next":"next","param":"from","items":"rows"}`,
			[]abi.HTTPExchange{page("/a", `{"rows":[1],"next":"x"}`, nil), page("/a?from=x", `{"rows":[1],"next":"x"}`, nil)}, "", "that was there before"},
		{"no list", `"url":"/a","pages":{"by":"page","items":"rows"}`,
			[]abi.HTTPExchange{page("/a?page=1", `{"rows":{}}`, nil)}, "", "rows is not the list"},
		{"no list at all", `"url":"/a","pages":{"by":"page"}`,
			[]abi.HTTPExchange{page("/a?page=1", `{"rows":[]}`, nil)}, "", "the body is not the list that pages.items should name"},
		{"no JSON", `"url":"/a","pages":{"by":"page"}`,
			[]abi.HTTPExchange{page("/a?page=1", `<html>`, map[string]string{"content-type": "text/html"})}, "", "should be JSON and isn't"},
		{"by nothing known", `"url":"/a","pages":{"by":"offset"}`, nil, "", `"offset" is not one of`},
		{"a cursor without a parameter", `"url":"/a","pages":{"by":"cursor","next":"x"}`, nil, "", "needs next"},
		{"too many", `"url":"/a","pages":{"by":"page","max":257}`, nil, "", "257 is not from 1 to 256"},
		{"as text", `"url":"/a","as":"text","pages":{"by":"page"}`, nil, "", "pages are read as JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := pdk.Call(over(pdktest.NewHost(t, test.http...)).get, []byte("{"+test.input+"}"))
			switch {
			case test.fails != "" && (failure == nil || !strings.Contains(failure.Message, test.fails)):
				t.Errorf("got %s, %v; want %s", output, failure, test.fails)
			case test.fails == "" && (failure != nil || !strings.Contains(string(output), test.want)):
				t.Errorf("got %s, %v; want %s", output, failure, test.want)
			}
		})
	}
}
