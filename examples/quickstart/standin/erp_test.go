package standin

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// post sends an ERP a request with an envelope around a body, changed by edit.
func post(t *testing.T, server *httptest.Server, body string, edit func(*http.Request)) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequest("POST", server.URL+ERPPath, strings.NewReader(
		`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>`+body+`</e:Body></e:Envelope>`))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(ERPUser, "right")
	request.Header.Set("SOAPAction", `"`+ERPAction+`"`)
	request.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if edit != nil {
		edit(request)
	}
	return do(t, server, request)
}

func do(t *testing.T, server *httptest.Server, request *http.Request) (status int, answer string) {
	t.Helper()
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func register(customer string) string {
	return `<RegisterOrder xmlns="urn:example:erp"><customer id="` + customer + `">José &amp; Filhos</customer>
		<total>39.8</total><items><item sku="A1"><quantity>2</quantity><price>19.90</price></item></items></RegisterOrder>`
}

// swapped is register with its first such element put after the one that
// closes next.
func swapped(first, closing string) string {
	before, after, _ := strings.Cut(register("17"), first)
	second, rest, _ := strings.Cut(after, closing)
	return before + second + closing + first + rest
}

func TestERPRegisters(t *testing.T) {
	erp := NewERP("right")
	server := httptest.NewServer(erp)
	defer server.Close()
	for _, number := range []string{"PO-1001", "PO-1002"} {
		status, answer := post(t, server, register("17"), nil)
		var got struct {
			Number string `xml:"Body>RegisterOrderResponse>order_number"`
		}
		if err := xml.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.Number != number {
			t.Errorf("%d %s (%v), want 200 with %s", status, answer, err, number)
		}
	}
	want := Order{Number: "PO-1002", Customer: "17", Name: "José & Filhos", Total: "39.8", Items: []Item{{"A1", 2, "19.90"}}}
	if orders := erp.Orders(); len(orders) != 2 || !reflect.DeepEqual(orders[1], want) {
		t.Errorf("orders %+v, want two, the second %+v", orders, want)
	}
	if failures := erp.Failures(); len(failures) != 0 {
		t.Errorf("failures %q", failures)
	}
}

func TestERPRefuses(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, test := range []struct {
		name, body string
		edit       func(*http.Request)
		status     int
		says       string
		failure    bool // counted: no right client does it
	}{
		{"blocked customer", register(CustomerBlocked), nil, 500, "<faultstring>customer 9001 is blocked", false},
		{"blocked customer under 200", register(CustomerBlocked2), nil, 200, "<faultstring>customer 9002 is blocked", false},
		{"path", register("17"), func(r *http.Request) { r.URL.Path = "/soap" }, 404, "no service", true},
		{"method", register("17"), func(r *http.Request) { r.Method = "PUT" }, 404, "no service", true},
		{"password", register("17"), func(r *http.Request) { r.SetBasicAuth(ERPUser, "wrong") }, 401, "wrong credentials", true},
		{"no password", register("17"), func(r *http.Request) { r.Header.Del("Authorization") }, 401, "wrong credentials", true},
		{"action", register("17"), header("SOAPAction", `"urn:other"`), 500, "SOAPAction", true},
		{"content type", register("17"), header("Content-Type", "application/soap+xml"), 500, "is not text/xml", true},
		{"charset", register("17"), header("Content-Type", "text/xml; charset=iso-8859-1"), 500, "is not text/xml", true},
		{"not XML", "<a>", nil, 500, "not an envelope", true},
		{"another call", `<Other xmlns="urn:example:erp"/>`, nil, 500, "no single RegisterOrder", true},
		{"another namespace", strings.Replace(register("17"), ERPSpace, "urn:other", 1), nil, 500, "no single RegisterOrder", true},
		{"two calls", register("17") + register("17"), nil, 500, "no single RegisterOrder", true},
		{"no customer", strings.Replace(register("17"), `id="17"`, "", 1), nil, 500, "customer with id", true},
		{"another order", swapped("<total>39.8</total>", "</items>"), nil, 500, `&lt;RegisterOrder&gt; holds [&#34;customer&#34; &#34;items&#34; &#34;total&#34;]`, true},
		{"another order in an item", swapped("<quantity>2</quantity>", "</price>"), nil, 500, `&lt;item&gt; holds [&#34;price&#34; &#34;quantity&#34;]`, true},
		{"an element too many", strings.Replace(register("17"), "<total>", "<note/><total>", 1), nil, 500, `its xs:sequence is`, true},
		{"an element twice", strings.Replace(register("17"), "<total>", "<total>1</total><total>", 1), nil, 500, `its xs:sequence is`, true},
		{"an element of another namespace", strings.Replace(register("17"), "<price>", `<price xmlns="urn:x">`, 1), nil, 500, "of the namespace", true},
		{"no items", `<RegisterOrder xmlns="urn:example:erp"><customer id="17">x</customer><total>1</total><items/></RegisterOrder>`, nil, 500, `&lt;items&gt; holds []`, true},
		{"no number", strings.Replace(register("17"), "39.8", "much", 1), nil, 500, "numeric total", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			erp := NewERP("right")
			server := httptest.NewServer(erp)
			defer server.Close()
			status, answer := post(t, server, test.body, test.edit)
			if status != test.status || !strings.Contains(answer, test.says) {
				t.Errorf("%d %s, want %d with %q", status, answer, test.status, test.says)
			}
			if len(erp.Orders()) != 0 || (len(erp.Failures()) == 1) != test.failure {
				t.Errorf("orders %v, failures %q", erp.Orders(), erp.Failures())
			}
		})
	}
}
