package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trama-run/trama/examples/quickstart/standin"
)

// order is an exchange that posts a file of the workspace's orders.
func (s *stage) order(file string) (*exchange, error) {
	body, err := os.ReadFile(filepath.Join(s.workspace, "orders", file))
	if err != nil {
		return nil, err
	}
	return &exchange{
		method: "POST", path: "/api/orders", body: body, headers: map[string]string{"Content-Type": "application/xml"},
		shown: fmt.Sprintf("orders/%s (%d bytes, ISO-8859-1)", file, len(body)),
	}, nil
}

// orders plays the first job: orders in XML, registered by SOAP.
func (s *stage) orders(ctx context.Context) {
	for _, o := range []struct {
		title, file string
		number      string
		total       float64
		customer    string
		id          string
		items       []standin.Item
	}{
		{
			"An order with one item", "one.xml", "PO-1001", 39.8, "José da Conceição", "17",
			[]standin.Item{{SKU: "CAFE-500", Quantity: 2, Price: "19.90"}},
		},
		{
			"An order with several items", "several.xml", "PO-1002", 271.28, "Padaria São João & Filhos", "23",
			[]standin.Item{{SKU: "FAR-5", Quantity: 10, Price: "21.35"}, {SKU: "ACU-1", Quantity: 12, Price: "4.79"}, {SKU: "PAO-0", Quantity: 3, Price: "0.10"}},
		},
	} {
		s.scene(o.title)
		e, err := s.order(o.file)
		if err == nil {
			err = s.send(ctx, e)
		}
		if err == nil {
			err = s.receipt(e, o.number, o.total)
		}
		s.check("201 with the total, the order's number and a token that the demo's public key verifies", err)
		want := standin.Order{Number: o.number, Customer: o.id, Name: o.customer, Total: fmt.Sprint(o.total), Items: o.items}
		registered := s.erp.Orders()
		if len(registered) == 0 {
			err = errors.New("none is registered")
		} else {
			err = same("the ERP's order", registered[len(registered)-1], want)
		}
		s.check("the ERP has it, accents and all", err)
	}

	s.scene("A big order goes to review")
	s.flowAnswer(ctx, "big.xml", 202, map[string]any{"ref": "A-1003", "total": 4890.0, "currency": "BRL", "review": true})

	s.scene("Malformed XML")
	s.flowAnswer(ctx, "malformed.xml", 400, map[string]any{"error": "xml_malformed"}, "line 5")

	s.scene("The ERP answers with a SOAP fault (500)")
	s.flowAnswer(ctx, "blocked-9001.xml", 502, map[string]any{"error": "soap_fault"}, "customer 9001 is blocked")
	s.scene("The ERP answers with a SOAP fault (200)")
	s.flowAnswer(ctx, "blocked-9002.xml", 502, map[string]any{"error": "soap_fault"}, "customer 9002 is blocked")

	s.scene("An unknown route and a wrong method")
	unknown := &exchange{method: "POST", path: "/api/nothing", shown: "(no such route)"}
	err := s.send(ctx, unknown)
	s.check("404 as problem details", errors.Join(err, unknown.problem(404, "no_route")))
	wrong := &exchange{method: "PUT", path: "/api/orders", shown: "(only POST has a route)"}
	err = s.send(ctx, wrong)
	s.check("405 as problem details, with Allow", errors.Join(err, wrong.problem(405, "method"), same("Allow", wrong.header.Get("Allow"), "POST, OPTIONS")))

	s.check("the ERP registered two orders and refused no request",
		errors.Join(same("number of orders", len(s.erp.Orders()), 2), same("failures", s.erp.Failures(), []string(nil))))
}

// flowAnswer posts an order and checks the status and the answer, whose
// "message", if it has one, must contain a text and is not compared.
func (s *stage) flowAnswer(ctx context.Context, file string, status int, want map[string]any, message ...string) {
	e, err := s.order(file)
	if err == nil {
		err = s.send(ctx, e)
	}
	if err == nil {
		err = errors.Join(same("status", e.status, status), answers(e.answer, want, message))
	}
	s.check(fmt.Sprintf("%d from the flow", status), err)
}

func answers(body []byte, want map[string]any, message []string) error {
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("the answer is no JSON object: %w", err)
	}
	text, _ := got["message"].(string)
	for _, part := range message {
		if !strings.Contains(text, part) {
			return fmt.Errorf("the message %q does not say %q", text, part)
		}
	}
	if len(message) > 0 {
		delete(got, "message")
	}
	return same("the answer", got, want)
}

// receipt checks the answer to an order, and its token by the public key.
func (s *stage) receipt(e *exchange, number string, total float64) error {
	var got struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(e.answer, &got); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	want := map[string]any{"order_number": number, "total": total, "currency": "BRL", "token": got.Token}
	if err := errors.Join(same("status", e.status, 201), sameJSON(e.answer, want)); err != nil {
		return err
	}
	claims, err := verify(got.Token, s.orderKey)
	if err != nil {
		return err
	}
	now := float64(time.Now().Unix())
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	if iat < now-60 || iat > now+5 || exp != iat+3600 {
		return fmt.Errorf("the token says iat %v and exp %v, now is %v", iat, exp, now)
	}
	delete(claims, "iat")
	delete(claims, "exp")
	ref := map[string]string{"PO-1001": "A-1001", "PO-1002": "A-1002"}[number]
	return same("the token's claims", claims, map[string]any{"sub": number, "ref": ref, "total": total, "currency": "BRL"})
}

// verify checks a JWT that Ed25519 signed (RFC 8037) and gives its claims.
func verify(token string, key ed25519.PublicKey) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("the token has %d parts, want 3", len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, fmt.Errorf("the token: %w", err)
		}
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil || header.Alg != "EdDSA" {
		return nil, fmt.Errorf("the token's header is %s, want alg EdDSA", bytes.TrimSpace(decoded[0]))
	}
	if !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), decoded[2]) {
		return nil, errors.New("the token's signature is not the demo key's")
	}
	var claims map[string]any
	return claims, json.Unmarshal(decoded[1], &claims)
}
