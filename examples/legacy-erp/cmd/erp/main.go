// Command erp is the ERP of the example: an invented one that takes orders by
// SOAP 1.1, is strict about its contract (wsdl/erp.wsdl) and answers in
// ISO-8859-1. Callers prove themselves by a password digest, each nonce once.
package main

import (
	"crypto/sha1" //nolint:gosec // what the UsernameToken profile prescribes
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	addr     = "127.0.0.1:8098"
	user     = "trama"
	password = "an-invented-password"
	soap     = "http://schemas.xmlsoap.org/soap/envelope/"
	orders   = "urn:example:erp:orders"
	action   = `"urn:example:erp#PlaceOrder"`
)

// envelope is a call as the contract has it.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Token   struct {
		Username, Password, Nonce, Created string
	} `xml:"Header>Security>UsernameToken"`
	Body struct {
		Order struct {
			Children []element `xml:",any"`
		} `xml:"urn:example:erp:orders PlaceOrder"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

type element struct {
	XMLName  xml.Name
	Nil      string    `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func main() {
	log.Printf("the ERP listens at http://%s/soap", addr)
	server := &http.Server{Addr: addr, Handler: &erp{nonces: map[string]bool{}}, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type erp struct {
	mu     sync.Mutex
	nonces map[string]bool // guarded by mu
}

func (e *erp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		fmt.Fprintln(w, "the ERP is up") //nolint:errcheck // the client is gone
		return
	}
	var call envelope
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = xml.Unmarshal(data, &call)
	}
	switch {
	case err != nil:
		fault(w, "Client", err.Error(), "")
	case r.Header.Get("SOAPAction") != action || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml"):
		fault(w, "Client", "SOAPAction or Content-Type is not the contract's", "")
	case !e.proven(call):
		fault(w, "Client.Authentication", "the security token could not be authenticated", "")
	default:
		place(w, call.Body.Order.Children)
	}
}

// proven checks the token: a digest of a nonce that is new, and fresh.
func (e *erp) proven(call envelope) bool {
	token := call.Token
	nonce, err := base64.StdEncoding.DecodeString(token.Nonce)
	created, problem := time.Parse(time.RFC3339, token.Created)
	sum := sha1.Sum([]byte(string(nonce) + token.Created + password)) //nolint:gosec // see above
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || problem != nil || len(nonce) < 8 || e.nonces[token.Nonce] || time.Since(created).Abs() > time.Minute {
		return false
	}
	e.nonces[token.Nonce] = true
	return token.Username == user && token.Password == base64.StdEncoding.EncodeToString(sum[:])
}

// place takes an order whose elements stand in the order of the schema.
func place(w http.ResponseWriter, children []element) {
	var names []string
	for _, c := range children {
		if c.XMLName.Space != orders {
			fault(w, "Client", c.XMLName.Local+" is in the wrong namespace", "")
			return
		}
		names = append(names, c.XMLName.Local)
	}
	shape := strings.Join(names, " ")
	if !strings.HasPrefix(shape, "customer item") || !strings.HasSuffix(shape, "item due") || strings.Count(shape, "item") != len(names)-2 {
		fault(w, "Client", "the elements "+shape+" are not customer, item..., due", "")
		return
	}
	for _, item := range children[1 : len(children)-1] {
		if len(item.Children) != 2 || item.Children[0].XMLName.Local != "sku" || item.Children[1].XMLName.Local != "quantity" {
			fault(w, "Client", "an item is not sku, quantity", "")
			return
		}
		if sku := item.Children[0].Text; sku == "X0" {
			fault(w, "Server", "no such item: "+sku, `<Refusal xmlns="`+orders+`"><code>17</code><sku>X0</sku></Refusal>`)
			return
		}
	}
	if due := children[len(children)-1]; due.Text == "" && due.Nil != "true" {
		fault(w, "Client", "due is empty and not nil", "")
		return
	}
	answer(w, 200, `<PlaceOrderResponse xmlns="`+orders+`"><number>9007199254740993</number><customer>`+escape(children[0].Text)+`</customer><accepted>1</accepted><warning>preço não confirmado</warning></PlaceOrderResponse>`)
}

func fault(w http.ResponseWriter, code, reason, detail string) {
	if detail != "" {
		detail = "<detail>" + detail + "</detail>"
	}
	answer(w, 500, "<s:Fault><faultcode>s:"+code+"</faultcode><faultstring>"+escape(reason)+"</faultstring>"+detail+"</s:Fault>")
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) //nolint:errcheck // a Builder takes everything
	return b.String()
}

// answer writes an envelope in ISO-8859-1.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml; charset=ISO-8859-1")
	w.WriteHeader(status)
	text := `<?xml version="1.0" encoding="ISO-8859-1"?><s:Envelope xmlns:s="` + soap + `"><s:Body>` + body + `</s:Body></s:Envelope>`
	var out []byte
	for _, r := range text {
		if r > 0xff {
			out = fmt.Appendf(out, "&#%d;", r)
		} else {
			out = append(out, byte(r))
		}
	}
	w.Write(out) //nolint:errcheck // the client is gone
}
