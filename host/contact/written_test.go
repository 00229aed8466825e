package contact

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestWritten: what people write of one address is one address; what is none is
// told with an example.
func TestWritten(t *testing.T) {
	phones := []abi.AddressForm{
		{Scheme: "whatsapp", Pattern: `[1-9][0-9]{6,14}|[A-Z]{2}\.[A-Za-z0-9.]{1,150}`, Strip: " +-().", Example: "5511987654321"},
		{Scheme: "group", Pattern: "[0-9]+", Example: "12"},
	}
	for _, test := range []struct {
		forms    []abi.AddressForm
		scheme   string
		path     string
		want     string
		mistakes string
	}{
		{phones, "whatsapp", "5511911110031", "5511911110031", ""},
		{phones, "whatsapp", "+5511911110031", "5511911110031", ""},
		{phones, "whatsapp", "+55 (11) 91111-0031", "5511911110031", ""},
		{phones, "whatsapp", "BR.123.a", "BR.123.a", ""},
		{phones, "group", "7", "7", ""},
		{phones, "whatsapp", "011 91111-0031", "", "such as whatsapp:5511987654321"},
		{phones, "whatsapp", "5511911110031x", "", "such as whatsapp:5511987654321"},
		{phones, "whatsapp", "@ana", "", "such as whatsapp:5511987654321"},
		{phones, "p", "1", "", "want the scheme whatsapp or group"},
		{nil, "p", "+1", "+1", ""},
		{[]abi.AddressForm{{Scheme: "p", Pattern: "("}}, "p", "1", "", "pattern: "},
	} {
		got, err := Written(test.forms, abi.Address{Scheme: test.scheme, Path: test.path})
		if test.mistakes == "" && (err != nil || got != abi.Address{Scheme: test.scheme, Path: test.want}) {
			t.Errorf("%s:%s is %v, %v, want %s", test.scheme, test.path, got, err, test.want)
		}
		if test.mistakes != "" && (err == nil || !strings.Contains(err.Error(), test.mistakes)) {
			t.Errorf("%s:%s: %v, want %q", test.scheme, test.path, err, test.mistakes)
		}
	}
}
