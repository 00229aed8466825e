//go:build peers

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/peer"
)

const erp = "../../examples/legacy-erp/wsdl/"

// erpTypes reads the WSDL of the example's ERP.
func erpTypes(t *testing.T) *With {
	t.Helper()
	texts := map[string]string{}
	for _, name := range []string{"erp.wsdl", "orders.xsd"} {
		data, err := os.ReadFile(erp + name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(data)
	}
	found, err := read(Description{WSDL: texts["erp.wsdl"], Documents: texts})
	if err != nil {
		t.Fatal(err)
	}
	return found.Services[0].Ports[0].Operations[0].With
}

// sending is a client whose calls go to a server.
func sending(url string) client {
	return client{now: time.Now, send: func(r abi.HTTPRequest) (abi.HTTPResponse, error) {
		request, err := http.NewRequest(r.Method, url, bytes.NewBufferString(r.Body))
		if err != nil {
			return abi.HTTPResponse{}, err
		}
		for name, value := range r.Headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return abi.HTTPResponse{}, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return abi.HTTPResponse{Status: response.StatusCode, Headers: map[string]string{"content-type": response.Header.Get("Content-Type")}, Body: string(body)}, err
	}}
}

// TestPeerServer: npm's soap understands a call, and its answer and fault are
// understood.
func TestPeerServer(t *testing.T) {
	path, err := filepath.Abs(erp + "erp.wsdl")
	if err != nil {
		t.Fatal(err)
	}
	server := peer.Start(t, "testdata/peers/server.cjs", "WSDL="+path)
	with := erpTypes(t)
	c := sending(server.URL + "/soap")
	call := Call{Version: with.Version, Action: with.Action, Operation: with.Operation, Types: with.Types}
	call.Body = json.RawMessage(`{"due":null,"item":[{"quantity":1,"sku":"A1"},{"sku":"B2","quantity":2}],"customer":"José & Filhos"}`)
	got, err := c.call(call)
	if want := `{"PlaceOrderResponse":{"number":9007199254740993,"customer":"José & Filhos","accepted":true,"warning":["2","B2"]}}`; err != nil || string(got.Body) != want {
		t.Errorf("got %s, %v", got.Body, err)
	}
	call.Body = json.RawMessage(`{"due":"2026-01-31","item":[{"quantity":1,"sku":"X0"},{"quantity":1,"sku":"X0"}],"customer":"Ana"}`)
	_, err = c.call(call)
	failure, ok := err.(*abi.Error)
	var fault Fault
	if !ok || failure.Code != codeFault || json.Unmarshal(failure.Detail, &fault) != nil || fault.Code != "Server" || string(fault.Detail) != `{"Refusal":{"code":17,"sku":"X0"}}` {
		t.Errorf("got %v with %s", err, fault.Detail)
	}
}

// TestPeerSpyne: a service of Spyne is called by the WSDL that Spyne writes of
// it, in both versions of SOAP; its faults are understood.
func TestPeerSpyne(t *testing.T) {
	for _, version := range []string{"1.1", "1.2"} {
		server := peer.Start(t, "testdata/peers/stock.py", "VERSION="+version)
		response, err := http.Get(server.URL + "/?wsdl")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		found, err := read(Description{WSDL: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		port := found.Services[0].Ports[0]
		with := port.Operations[0].With
		if port.Version != version || with.Version != version || port.Address != server.URL+"/" {
			t.Errorf("SOAP %s: the port is %+v", version, port)
		}
		c := sending(port.Address)
		call := Call{Version: with.Version, Action: with.Action, Operation: with.Operation, Types: with.Types}
		call.Body = json.RawMessage(`{"whole":true,"items":{"Item":[{"price":0.1,"quantity":9007199254740992,"sku":"A & <1>"},{"sku":"ção","quantity":-1}]},"customer":"José"}`)
		got, err := c.call(call)
		if want := `{"reserveResponse":{"reserveResult":{"Item":[{"sku":"José/A & <1>","quantity":9007199254740993,"price":0.1},{"sku":"José/ção","quantity":0}]}}}`; err != nil || string(got.Body) != want {
			t.Errorf("SOAP %s: got %s, %v\nwant %s", version, got.Body, err, want)
		}
		for body, want := range map[string]string{
			`{"customer":"Ana","items":{"Item":[{"sku":"X0","quantity":1}]}}`: "no such item",
			`{"customer":"Ana","items":{"Item":[{"quantity":1}]}}`:            "sku", // its own validation, by the schema
		} {
			call.Body = json.RawMessage(body)
			got, err := c.call(call)
			var failure *abi.Error
			if !errors.As(err, &failure) || failure.Retryable || !strings.Contains(failure.Message, want) {
				t.Errorf("SOAP %s: %s gave %s, %v; want %q", version, body, got.Body, err, want)
			}
		}
	}
}

// TestPeerClients: the envelopes that zeep and npm's soap make by a WSDL say
// the same as ours.
func TestPeerClients(t *testing.T) {
	wsdl, err := filepath.Abs(erp + "erp.wsdl")
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"customer":"José & <Filhos>","item":[{"sku":"A1","quantity":1},{"sku":" B2 ","quantity":-2}],"due":"2026-01-31"}`
	with := erpTypes(t)
	request, err := Call{Version: with.Version, Action: with.Action, Operation: with.Operation, Types: with.Types, Body: json.RawMessage(body)}.request()
	if err != nil {
		t.Fatal(err)
	}
	ours := canonical(t, []byte(request.Body))
	for _, script := range []string{"client.py", "client.cjs"} {
		if theirs := canonical(t, peer.Run(t, "testdata/peers/"+script, wsdl, "PlaceOrder", body)); theirs != ours {
			t.Errorf("%s makes\n%s\nwe make\n%s", script, theirs, ours)
		}
	}
	if !strings.Contains(ours, "{urn:example:erp:orders}quantity") || !strings.Contains(ours, "{urn:example:erp:orders}due\n2026-01-31") {
		t.Errorf("we make\n%s", ours)
	}
}

// canonical gives the elements and texts of an envelope in their order, with
// namespaces in place of prefixes.
func canonical(t *testing.T, text []byte) string {
	t.Helper()
	var out strings.Builder
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			fmt.Fprintf(&out, "<{%s}%s\n", token.Name.Space, token.Name.Local)
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					fmt.Fprintf(&out, "@{%s}%s=%s\n", a.Name.Space, a.Name.Local, a.Value)
				}
			}
		case xml.EndElement:
			out.WriteString(">\n")
		case xml.CharData:
			if out.Len() > 0 && string(token) != "\n" {
				fmt.Fprintf(&out, "%s\n", token)
			}
		}
	}
}
