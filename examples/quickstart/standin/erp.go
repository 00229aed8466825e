// Package standin holds the two systems that the quickstart talks to, as real
// servers on loopback: an ERP that speaks SOAP 1.1, and the part of Meta's
// Graph API that takes WhatsApp messages.
//
// They are strict where the real ones are: a request with a wrong path,
// credential or body is refused in the system's own manner, and counted. They
// know nothing of Trama.
package standin

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Names of the ERP's interface.
const (
	ERPPath   = "/soap/orders"
	ERPAction = "urn:example:erp/RegisterOrder"
	ERPSpace  = "urn:example:erp"
	ERPUser   = "trama"
)

// Customers that the ERP answers with a SOAP fault: one as SOAP 1.1 section
// 6.2 asks, with status 500, and one as some old servers do, with status 200.
const (
	CustomerBlocked  = "9001"
	CustomerBlocked2 = "9002"
)

const (
	spaceSOAP  = "http://schemas.xmlsoap.org/soap/envelope/" // SOAP 1.1, section 3
	maxBody    = 1 << 20
	firstOrder = 1001
)

// Order is one order as the ERP registered it.
type Order struct {
	Number   string
	Customer string // its id
	Name     string
	Total    string
	Items    []Item
}

// Item is one line of an order.
type Item struct {
	SKU      string `xml:"sku,attr"`
	Quantity int    `xml:"quantity"`
	Price    string `xml:"price"`
}

// ERP registers orders that come by SOAP and gives each a number. It is an
// http.Handler.
type ERP struct {
	password string

	mu       sync.Mutex
	orders   []Order  // guarded by mu
	failures []string // requests that were no proper calls; guarded by mu
}

// NewERP returns an ERP whose user ERPUser has this password.
func NewERP(password string) *ERP { return &ERP{password: password} }

// Orders returns what was registered, in order.
func (e *ERP) Orders() []Order {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Order(nil), e.orders...)
}

// Failures returns why requests were refused that a right client never sends.
func (e *ERP) Failures() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.failures...)
}

// envelope is a SOAP 1.1 request with the one call that the ERP has.
type envelope struct {
	XMLName xml.Name
	Body    struct {
		Calls []struct {
			XMLName xml.Name
			call
		} `xml:",any"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

// call is the content of RegisterOrder.
type call struct {
	Customer struct {
		ID   string `xml:"id,attr"`
		Name string `xml:",chardata"`
	} `xml:"urn:example:erp customer"`
	Total string `xml:"urn:example:erp total"`
	Items []Item `xml:"urn:example:erp items>item"`
}

// element is any element, with no more of it than its schema is about.
type element struct {
	XMLName  xml.Name
	Children []element `xml:",any"`
}

// check compares the children of RegisterOrder and of what it holds with the
// ERP's schema: each an xs:sequence, so their order counts.
func (e element) check() error {
	var want []string
	switch e.XMLName.Local {
	case "RegisterOrder":
		want = []string{"customer", "total", "items"}
	case "items":
		want = slices.Repeat([]string{"item"}, max(1, len(e.Children))) // maxOccurs="unbounded"
	case "item":
		want = []string{"quantity", "price"}
	}
	var got []string
	for _, child := range e.Children {
		if child.XMLName.Space != ERPSpace {
			return fmt.Errorf("<%s> in <%s> is of the namespace %q, not %q", child.XMLName.Local, e.XMLName.Local, child.XMLName.Space, ERPSpace)
		}
		if err := child.check(); err != nil {
			return err
		}
		got = append(got, child.XMLName.Local)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("<%s> holds %q, its xs:sequence is %q", e.XMLName.Local, got, want)
	}
	return nil
}

// ServeHTTP answers one call: a response with the order's number, or a fault.
func (e *ERP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	switch {
	case r.URL.Path != ERPPath || r.Method != http.MethodPost:
		e.refuse(w, http.StatusNotFound, "no service at "+r.Method+" "+r.URL.Path)
		return
	case user != ERPUser || password != e.password:
		w.Header().Set("WWW-Authenticate", `Basic realm="erp"`)
		e.refuse(w, http.StatusUnauthorized, "wrong credentials")
		return
	case strings.Trim(r.Header.Get("SOAPAction"), `"`) != ERPAction: // SOAP 1.1, section 6.1.1: in quotes
		e.fault(w, 500, "soap:Client", fmt.Sprintf("SOAPAction %q is not %q", r.Header.Get("SOAPAction"), ERPAction), true)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the client has gone, and no answer reaches it
	}
	c, err := read(r, body)
	if err != nil {
		e.fault(w, 500, "soap:Client", err.Error(), true)
		return
	}
	switch c.Customer.ID {
	case CustomerBlocked:
		e.fault(w, 500, "soap:Server", "customer "+c.Customer.ID+" is blocked", false)
	case CustomerBlocked2:
		e.fault(w, 200, "soap:Server", "customer "+c.Customer.ID+" is blocked", false)
	default:
		answer(w, 200, `<RegisterOrderResponse xmlns="`+ERPSpace+`"><order_number>`+e.register(c)+`</order_number></RegisterOrderResponse>`)
	}
}

// read takes the call out of a request.
func read(r *http.Request, body []byte) (call, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "text/xml" || (params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8")) {
		return call{}, fmt.Errorf("content type %q is not text/xml in UTF-8", r.Header.Get("Content-Type"))
	}
	var e envelope
	if err := xml.Unmarshal(body, &e); err != nil {
		return call{}, fmt.Errorf("not an envelope: %w", err)
	}
	if e.XMLName != (xml.Name{Space: spaceSOAP, Local: "Envelope"}) {
		return call{}, fmt.Errorf("root is {%s}%s, not a SOAP 1.1 envelope", e.XMLName.Space, e.XMLName.Local)
	}
	if len(e.Body.Calls) != 1 || e.Body.Calls[0].XMLName != (xml.Name{Space: ERPSpace, Local: "RegisterOrder"}) {
		return call{}, errors.New("the body holds no single RegisterOrder of " + ERPSpace)
	}
	var schema struct {
		Calls []element `xml:"Body>RegisterOrder"`
	}
	if err := xml.Unmarshal(body, &schema); err != nil {
		return call{}, fmt.Errorf("not an envelope: %w", err)
	}
	if err := schema.Calls[0].check(); err != nil { // there is one, as above
		return call{}, err
	}
	c := e.Body.Calls[0].call
	c.Customer.Name = strings.TrimSpace(c.Customer.Name)
	if _, err := strconv.ParseFloat(c.Total, 64); err != nil || c.Customer.ID == "" || c.Customer.Name == "" || len(c.Items) == 0 {
		return call{}, errors.New("RegisterOrder wants customer with id and name, a numeric total, and items")
	}
	return c, nil
}

func (e *ERP) register(c call) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	number := fmt.Sprintf("PO-%d", firstOrder+len(e.orders))
	e.orders = append(e.orders, Order{Number: number, Customer: c.Customer.ID, Name: c.Customer.Name, Total: c.Total, Items: c.Items})
	return number
}

func (e *ERP) refuse(w http.ResponseWriter, status int, reason string) {
	e.failed(reason)
	http.Error(w, reason, status)
}

// fault answers with a SOAP fault (SOAP 1.1, section 4.4).
func (e *ERP) fault(w http.ResponseWriter, status int, code, text string, wrong bool) {
	if wrong {
		e.failed(text)
	}
	answer(w, status, "<soap:Fault><faultcode>"+code+"</faultcode><faultstring>"+escape(text)+"</faultstring></soap:Fault>")
}

func (e *ERP) failed(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures = append(e.failures, reason)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="`+spaceSOAP+`"><soap:Body>`+body+`</soap:Body></soap:Envelope>`) //nolint:errcheck // the client is gone
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) //nolint:errcheck // a Builder never fails
	return b.String()
}

var _ http.Handler = (*ERP)(nil)
