package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/examples/quickstart/standin"
)

// What the workspace's files say, and the demo replaces.
const (
	erpAddr       = "127.0.0.1:8090"
	graphAddr     = "127.0.0.1:8091"
	phoneNumberID = "106540352242922"
)

// world is everything around Trama: the systems that it talks to, and the
// secrets that it shares with them.
type world struct {
	paths
	erp       *standin.ERP
	graph     *standin.Graph
	erpAddr   string
	graphAddr string

	secrets  map[string]string // by name
	orderKey ed25519.PublicKey // checks what orders_key signed

	servers []*http.Server
}

// newWorld makes secrets and starts the stand-ins; ":0" as an address's port
// takes a free one.
func newWorld(p paths, erpAddr, graphAddr string) (_ *world, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	w := &world{paths: p, orderKey: public, secrets: map[string]string{
		"erp_password": rand.Text(),
		"wa_token":     "EAAG" + rand.Text() + rand.Text(),
		"wa_app":       rand.Text(),
		"wa_verify":    rand.Text(),
		"orders_key":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}}
	w.erp = standin.NewERP(w.secrets["erp_password"])
	w.graph = standin.NewGraph(phoneNumberID, w.secrets["wa_token"])
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.erpAddr, err = w.listen(erpAddr, w.erp); err != nil {
		return nil, err
	}
	w.graphAddr, err = w.listen(graphAddr, w.graph)
	return w, err
}

func (w *world) listen(addr string, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("stand-in: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	w.servers = append(w.servers, server)
	go server.Serve(l) //nolint:errcheck // ends with Close
	return l.Addr().String(), nil
}

// close ends the stand-ins.
func (w *world) close() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// environ is this process's environment with the secrets, and no others.
func (w *world) environ() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TRAMA_") {
			env = append(env, entry)
		}
	}
	for name, value := range w.secrets {
		env = append(env, "TRAMA_SECRET_"+strings.ToUpper(name)+"="+value)
	}
	return env
}

// signature is the X-Hub-Signature-256 of a webhook's body.
func (w *world) signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(w.secrets["wa_app"]))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// What stands in the workspace's example messages, and is replaced.
const (
	examplePhone = "5511987654321"
	exampleText  = `"oi"`
	exampleTime  = "1754300000"                                 // of text.json; a message that is older than a day may not be answered
	exampleTime2 = "1754300060"                                 // of button.json
	exampleID    = "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFDNBMDE=" // of text.json
	exampleID2   = "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFDNBMDM=" // of button.json
)

// textMessage is the webhook body of a text message, made of the workspace's
// example, with an id that no other message has.
func (w *world) textMessage(phone, text string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(w.workspace, "messages", "text.json"))
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	return replaced(data, examplePhone, phone, exampleText, string(quoted), exampleTime, rightNow(), exampleID, newMessageID())
}

// buttonMessage is the webhook body of a pressed button, as textMessage.
func (w *world) buttonMessage(phone string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(w.workspace, "messages", "button.json"))
	if err != nil {
		return nil, err
	}
	return replaced(data, examplePhone, phone, exampleTime2, rightNow(), exampleID2, newMessageID())
}

// rightNow is the time as WhatsApp writes it.
func rightNow() string { return strconv.FormatInt(time.Now().Unix(), 10) }

func newMessageID() string { return "wamid." + rand.Text() }

// replaced replaces pairs of texts, each of which must be there.
func replaced(data []byte, pairs ...string) ([]byte, error) {
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(data, []byte(pairs[i])) {
			return nil, fmt.Errorf("an example of the workspace lacks %q", pairs[i])
		}
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(data))), nil
}

// waitFor asks until the answer is yes. Its error says what did not come.
func waitFor(ctx context.Context, limit time.Duration, what string, yes func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %s for %s", limit, what))
	defer cancel()
	for {
		ok, err := yes()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
