package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

func over(host *pdktest.Host) client {
	return client{host.HTTPSend, func() time.Time { return time.Unix(0, 0) }}
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler {
		return map[string]pdktest.Handler{"call": pdktest.Handle(over(host).call), "wsdl": pdktest.Handle(read)}
	})
}

const (
	opening = `<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">`
	closing = `</soap:Envelope>`
)

func TestEnvelope(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"no body", `{"operation":"Ping"}`, `<soap:Body><Ping/></soap:Body>`},
		{"null body and headers", `{"operation":"Ping","body":null,"headers":null}`, `<soap:Body><Ping/></soap:Body>`},
		{"empty headers", `{"operation":"Ping","headers":{}}`, `<soap:Body><Ping/></soap:Body>`},
		{"order of members", `{"operation":"A","namespace":"urn:a","body":{"z":1,"a":{"y":true,"b":"2"},"m":[1,2]}}`,
			`<soap:Body><A xmlns="urn:a"><z>1</z><a><y>true</y><b>2</b></a><m>1</m><m>2</m></A></soap:Body>`},
		{"nothing is markup", `{"operation":"A","body":{"x":"</x></A>&<!--","@k":"\"><x"}}`,
			`<soap:Body><A k="&quot;&gt;&lt;x"><x>&lt;/x&gt;&lt;/A&gt;&amp;&lt;!--</x></A></soap:Body>`},
		{"own prefixes", `{"operation":"A","body":{"@xmlns:p":"urn:p","p:x":{"@xsi:nil":true}}}`,
			`<soap:Body><A xmlns:p="urn:p"><p:x xsi:nil="true"/></A></soap:Body>`},
		{"header that must be understood", `{"operation":"A","headers":{"Auth":{"@xmlns":"urn:h","@soap:mustUnderstand":1,"user":"u"}}}`,
			`<soap:Header><Auth xmlns="urn:h" soap:mustUnderstand="1"><user>u</user></Auth></soap:Header><soap:Body><A/></soap:Body>`},
		{"an order in body and headers", `{"operation":"A","namespace":"urn:a","body":{"#order":["z","m"],"a":{"#order":["y"],"b":2,"y":1},"m":[1,2],"z":1},"headers":{"#order":["Z"],"A":{"#order":["q","p"],"p":1,"q":2},"Z":0}}`,
			`<soap:Header><Z>0</Z><A><q>2</q><p>1</p></A></soap:Header><soap:Body><A xmlns="urn:a"><z>1</z><m>1</m><m>2</m><a><y>1</y><b>2</b></a></A></soap:Body>`},
		{"a namespace with an ampersand", `{"operation":"A","namespace":"urn:a?b&c"}`, `<soap:Body><A xmlns="urn:a?b&amp;c"/></soap:Body>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var in Call
			if err := json.Unmarshal([]byte(test.input), &in); err != nil {
				t.Fatal(err)
			}
			got, security, err := in.envelope(soap11)
			if err != nil {
				t.Fatal(err)
			}
			if want := opening + test.want + closing; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if before, after := got[:security.At], got[security.At:]; security.NoHeader == strings.Contains(got, "<soap:Header") ||
				security.NoHeader && !strings.HasPrefix(after, "<soap:Body") || !security.NoHeader && (!strings.HasPrefix(after, "</soap:Header>") || !strings.Contains(before, "<soap:Header>")) {
				t.Errorf("credentials would stand before %s", after)
			}
			if _, err := xmljson.Parse(got); err != nil {
				t.Errorf("it doesn't parse: %v", err)
			}
		})
	}
}

func TestRefusedBeforeSending(t *testing.T) {
	for _, test := range []struct{ name, input, message string }{
		{"no operation", `{}`, "operation"},
		{"operation that is no name", `{"operation":"a b"}`, `"a b" can't be the name`},
		{"operation with markup", `{"operation":"a/><b"}`, "can't be the name"},
		{"prefix without namespace", `{"operation":"m:a"}`, `prefix "m"`},
		{"unknown prefix in the body", `{"operation":"a","body":{"p:x":1}}`, `prefix "p"`},
		{"namespace twice", `{"operation":"a","namespace":"urn:1","body":{"@xmlns":"urn:2"}}`, `"xmlns" stands twice`},
		{"control character", `{"operation":"a","body":{"x":"\u0008"}}`, "body.x: character U+0008"},
		{"body is text", `{"operation":"a","body":"x"}`, "body: want an object"},
		{"headers is an array", `{"operation":"a","headers":[]}`, "headers: want an object"},
		{"order that is no list", `{"operation":"a","body":{"x":{"#order":"y"}}}`, "body.x.#order: want a list of the names"},
		{"order of a header that is no list", `{"operation":"a","headers":{"#order":{}}}`, "headers.#order: want a list of the names"},
		{"action with a quote", `{"operation":"a","action":"x\""}`, "action"},
		{"action with a line end", `{"operation":"a","action":"x\r\nEvil: 1"}`, "action"},
		{"negative timeout", `{"operation":"a","timeout_millis":-1}`, "timeout_millis"},
		{"misspelt field", `{"operation":"a","boby":{}}`, `unknown field "boby"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := pdk.Call(over(pdktest.NewHost(t)).call, []byte(test.input))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %s, %v, want %q", output, failure, test.message)
			}
		})
	}
}

func ask(t *testing.T, input string, answer abi.HTTPResponse) ([]byte, *abi.Error) {
	t.Helper()
	host := pdktest.NewHost(t, abi.HTTPExchange{Response: answer})
	return pdk.Call(over(host).call, []byte(input))
}

func envelope(content string) string { return envelopeOf(soap11, content) }

func envelopeOf(space, content string) string {
	return `<s:Envelope xmlns:s="` + space + `">` + content + `</s:Envelope>`
}

func xmlType(charset string) map[string]string {
	return map[string]string{"content-type": "text/xml; charset=" + charset}
}

func TestAnswers(t *testing.T) {
	latin := base64.StdEncoding.EncodeToString([]byte("<?xml version='1.0' encoding='ISO-8859-1'?>" + envelope("<s:Body><r>\xe7\xe3o</r></s:Body>")))
	tests := []struct {
		name, input string
		answer      abi.HTTPResponse
		want        string
	}{
		{"prefixes go", `{"operation":"a"}`, abi.HTTPResponse{Status: 200, Body: envelope(`<s:Body><q:r xmlns:q="u"><q:x q:k="1">2</q:x></q:r></s:Body>`)},
			`{"status":200,"headers":{},"body":{"r":{"x":{"@k":"1","#text":"2"}}}}`},
		{"prefixes stay", `{"operation":"a","keep_prefixes":true}`, abi.HTTPResponse{Status: 200, Body: envelope(`<s:Body><q:r xmlns:q="u"/></s:Body>`)},
			`{"status":200,"headers":{},"body":{"q:r":{"@xmlns:q":"u"}}}`},
		{"arrays", `{"operation":"a","arrays":["r.x"]}`, abi.HTTPResponse{Status: 200, Body: envelope(`<s:Body><r><x>1</x></r></s:Body>`)},
			`{"status":200,"headers":{},"body":{"r":{"x":["1"]}}}`},
		{"empty body", `{"operation":"a"}`, abi.HTTPResponse{Status: 200, Body: envelope(`<s:Body/>`)}, `{"status":200,"headers":{},"body":{}}`},
		{"charset of the prolog", `{"operation":"a"}`, abi.HTTPResponse{Status: 200, BodyBase64: latin}, `{"status":200,"headers":{},"body":{"r":"ção"}}`},
		{"charset of the content type", `{"operation":"a"}`, abi.HTTPResponse{Status: 200, Headers: xmlType("ISO-8859-1"),
			BodyBase64: base64.StdEncoding.EncodeToString([]byte(envelope("<s:Body><r>\xe7</r></s:Body>")))}, `{"status":200,"headers":{},"body":{"r":"ç"}}`},
		{"ISO-8859-1 that happens to be UTF-8", `{"operation":"a"}`, abi.HTTPResponse{Status: 200, Headers: xmlType("ISO-8859-1"), Body: envelope("<s:Body><r>ç</r></s:Body>")},
			`{"status":200,"headers":{},"body":{"r":"Ã§"}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := ask(t, test.input, test.answer)
			if failure != nil || string(output) != test.want {
				t.Errorf("got %s, %v\nwant %s", output, failure, test.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	full := `<s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring> out of stock </faultstring><faultactor>urn:x</faultactor>` +
		`<detail><e:a xmlns:e="u">1</e:a><e:a xmlns:e="u">2</e:a></detail></s:Fault></s:Body>`
	tests := []struct {
		name      string
		status    int
		body      string
		want      string
		retryable bool
	}{
		{"500", 500, full, `{"status":500,"code":"Server","reason":"out of stock","role":"urn:x","detail":{"a":["1","2"]}}`, false},
		{"200", 200, full, `{"status":200,"code":"Server","reason":"out of stock","role":"urn:x","detail":{"a":["1","2"]}}`, false},
		{"503", 503, `<s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>busy</faultstring></s:Fault></s:Body>`, `{"status":503,"code":"Server","reason":"busy","detail":null}`, true},
		{"qualified, detail is text", 500, `<s:Body><s:Fault><s:faultcode>c</s:faultcode><s:faultstring>f</s:faultstring><s:detail>why</s:detail></s:Fault></s:Body>`, `{"status":500,"code":"c","reason":"f","detail":"why"}`, false},
		{"1.2", 500, `<s:Body><e:Fault xmlns:e="` + soap12 + `"><e:Code><e:Value>e:Receiver</e:Value><e:Subcode><e:Value>m:A</e:Value><e:Subcode><e:Value>m:B</e:Value></e:Subcode></e:Subcode></e:Code>` +
			`<e:Reason><e:Text xml:lang="en">late</e:Text><e:Text xml:lang="pt">tarde</e:Text></e:Reason><e:Node>urn:n</e:Node><e:Role>urn:r</e:Role><e:Detail><x>1</x></e:Detail></e:Fault></s:Body>`,
			`{"status":500,"code":"Receiver","subcodes":["A","B"],"reason":"late","node":"urn:n","role":"urn:r","detail":{"x":"1"}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := ask(t, `{"operation":"a"}`, abi.HTTPResponse{Status: test.status, Headers: map[string]string{"retry-after": "2"}, Body: envelopeOf(map[bool]string{true: soap12, false: soap11}[test.name == "1.2"], test.body)})
			if failure == nil || failure.Code != codeFault {
				t.Fatalf("got %s, %v", output, failure)
			}
			if string(failure.Detail) != test.want || failure.Retryable != test.retryable || failure.RetryAfterMillis != 2000 {
				t.Errorf("got %+v with detail %s", failure, failure.Detail)
			}
		})
	}
	if _, failure := ask(t, `{"operation":"a"}`, abi.HTTPResponse{Status: 200, Body: envelope(`<s:Body><Fault xmlns="urn:mine">x</Fault></s:Body>`)}); failure != nil {
		t.Errorf("an element of the service's own called Fault is taken for one: %v", failure)
	}
}

func TestBadAnswers(t *testing.T) {
	long := strings.Repeat("ç", 1000)
	for _, test := range []struct {
		name    string
		answer  abi.HTTPResponse
		message string
	}{
		{"HTML", abi.HTTPResponse{Status: 401, Body: "<html><br></html>"}, "xml line 1"},
		{"long text", abi.HTTPResponse{Status: 200, Body: long}, "…"},
		{"empty under 500", abi.HTTPResponse{Status: 500}, "no root element"},
		{"another document", abi.HTTPResponse{Status: 200, Body: "<order/>"}, "<order> is no SOAP envelope"},
		{"SOAP 1.2 without a body", abi.HTTPResponse{Status: 200, Body: `<e:Envelope xmlns:e="` + soap12 + `"/>`}, "no body"},
		{"no body", abi.HTTPResponse{Status: 200, Body: envelope("")}, "no body"},
		{"500 without a fault", abi.HTTPResponse{Status: 500, Body: envelope("<s:Body/>")}, "no fault"},
		{"DTD", abi.HTTPResponse{Status: 200, Body: "<!DOCTYPE a>" + envelope("<s:Body/>")}, "DTD"},
		{"multipart", abi.HTTPResponse{Status: 200, Headers: map[string]string{"content-type": `multipart/related; boundary="x"`}, Body: "--x"}, "multipart"},
		{"bytes", abi.HTTPResponse{Status: 200, BodyBase64: "//4="}, "UTF-16"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := ask(t, `{"operation":"a"}`, test.answer)
			if failure == nil || failure.Code != codeBadResponse || !strings.Contains(failure.Message, test.message) {
				t.Fatalf("got %s, %v, want %q", output, failure, test.message)
			}
			var detail struct {
				Status  int
				Snippet string
			}
			if err := json.Unmarshal(failure.Detail, &detail); err != nil || detail.Status != test.answer.Status || len(detail.Snippet) > 303 {
				t.Errorf("detail %s, %v", failure.Detail, err)
			}
		})
	}
}

func TestHostErrorsPassThrough(t *testing.T) {
	c := client{send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeTimeout, Message: "no answer", Retryable: true}
	}}
	if _, failure := pdk.Call(c.call, []byte(`{"operation":"a"}`)); failure == nil || failure.Code != abi.CodeTimeout || !failure.Retryable {
		t.Errorf("got %v", failure)
	}
}
