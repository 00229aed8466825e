package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// document is a WSDL document with one operation, which takes Ask and answers
// Told, of a schema's declarations.
func document(declarations string) string {
	return `<definitions targetNamespace="urn:x" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:x" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<types><xs:schema targetNamespace="urn:x">` + declarations + `</xs:schema></types>
<message name="In"><part name="p" element="t:Ask"/></message><message name="Out"><part name="p" element="t:Told"/></message>
<portType name="P"><operation name="Ask"><input message="t:In"/><output message="t:Out"/></operation></portType>
<binding name="B" type="t:P"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Ask"><soap:operation soapAction="ask"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
<service name="S"><port name="P" binding="t:B"><soap:address location="http://127.0.0.1/"/></port></service>
</definitions>`
}

func element(name, within string) string {
	return `<xs:element name="` + name + `"><xs:complexType>` + within + `</xs:complexType></xs:element>`
}

// TestWhatSchemasLeaveOpen: a choice is told of, and a value that an answer has
// and the schema lacks is let through: the call has been done by then.
func TestWhatSchemasLeaveOpen(t *testing.T) {
	color := `<xs:simpleType name="Color"><xs:restriction base="xs:string"><xs:enumeration value="red"/></xs:restriction></xs:simpleType>`
	found, err := read(Description{WSDL: document(color +
		element("Ask", `<xs:choice><xs:element name="id" type="xs:long"/><xs:element name="color" type="t:Color"/><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence></xs:choice>`) +
		element("Told", `<xs:sequence><xs:element name="color" type="t:Color"/></xs:sequence><xs:attribute name="was" type="t:Color"/>`))})
	if err != nil {
		t.Fatal(err)
	}
	o := found.Services[0].Ports[0].Operations[0]
	if len(o.Notes) != 1 || !strings.Contains(o.Notes[0], "a choice of id, color, sequence:") {
		t.Errorf("it notes %q", o.Notes)
	}
	fits(t, "an answer", o.OutputSchema, `{"color":"green","@was":"yellow"}`)
	if data, err := json.Marshal(o.InputSchema); err != nil || !strings.Contains(string(data), `"color":{"enum":["red"]}`) {
		t.Errorf("what is sent may be %s, %v", data, err)
	}
}

// TestSchemasThatGrow: declarations that hold one another twice or
// thrice each, and so on, take neither long nor much.
func TestSchemasThatGrow(t *testing.T) {
	var groups, attributes, types strings.Builder
	for i := range 40 {
		fmt.Fprintf(&groups, `<xs:group name="g%d"><xs:sequence><xs:group ref="t:g%d"/><xs:group ref="t:g%[2]d"/></xs:sequence></xs:group>`, i, i+1)
		fmt.Fprintf(&attributes, `<xs:attributeGroup name="g%d"><xs:attributeGroup ref="t:g%d"/><xs:attributeGroup ref="t:g%[2]d"/></xs:attributeGroup>`, i, i+1)
	}
	for i := range 18 {
		fmt.Fprintf(&types, `<xs:complexType name="g%d"><xs:sequence><xs:element name="a" type="t:g%d"/><xs:element name="b" type="t:g%[2]d"/><xs:element name="c" type="t:g%[2]d"/></xs:sequence></xs:complexType>`, i, i+1)
	}
	for _, test := range []struct{ name, declarations, within, unsupported string }{
		{"groups", groups.String() + `<xs:group name="g40"><xs:sequence/></xs:group>`, `<xs:group ref="t:g0"/>`, "more than"},
		{"attribute groups", attributes.String() + `<xs:attributeGroup name="g40"/>`, `<xs:attributeGroup ref="t:g0"/>`, "more than"},
		{"types", types.String() + `<xs:complexType name="g18"/>`, `<xs:sequence><xs:element name="a" type="t:g0"/></xs:sequence>`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			found, err := read(Description{WSDL: document(test.declarations + element("Ask", test.within) + element("Told", ""))})
			if err != nil {
				t.Fatal(err)
			}
			o := found.Services[0].Ports[0].Operations[0]
			if (o.Unsupported == "") != (test.unsupported == "") || !strings.Contains(o.Unsupported, test.unsupported) {
				t.Errorf("it says %q", o.Unsupported)
			}
			data, err := json.Marshal(found)
			if took := time.Since(began); err != nil || len(data) > 200_000 || took > 20*time.Second {
				t.Errorf("%d bytes after %v, %v", len(data), took, err)
			}
		})
	}
}
