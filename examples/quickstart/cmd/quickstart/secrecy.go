package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/trama-run/trama/examples/quickstart/standin"
)

// secrecy looks for the values of secrets in everything that Trama keeps for
// people: the records of runs, the other answers of the admin API, its log.
func (s *stage) secrecy(ctx context.Context) {
	s.scene("Secrets in records and logs")
	planted := "planted-" + rand.Text()
	e, err := s.order("big.xml")
	if err == nil {
		e.body = []byte(strings.Replace(string(e.body), "Cafeteria Avenida", planted, 1))
		e.shown = "orders/big.xml with a planted customer name"
		err = errors.Join(s.send(ctx, e), same("status", e.status, 202))
	}
	texts, readErr := s.texts(ctx)
	if err = errors.Join(err, readErr); err != nil {
		s.check("records and logs can be read", err)
		return
	}
	runs := len(texts) - len(otherTexts) - 1
	if runs < 10 {
		err = fmt.Errorf("%d runs left a record, want at least 10", runs)
	} else if !strings.Contains(texts["log"], "order-intake") {
		err = errors.New("the log does not even name a flow: it is not the host's")
	}
	s.check(fmt.Sprintf("%d records and the log's %d bytes are what is searched", runs, len(texts["log"])), err)
	if len(find(texts, planted)) == 0 {
		err = errors.New("the planted name was not found: the search is blind")
	}
	s.check("the search finds the planted name", err)
	var found error
	values := maps.Clone(s.secrets)
	values["erp_password (RFC 7617)"] = base64.StdEncoding.EncodeToString([]byte(standin.ERPUser + ":" + s.secrets["erp_password"]))
	for name, value := range values {
		for _, where := range find(texts, value) {
			found = errors.Join(found, fmt.Errorf("the secret %s is in %s", name, where))
		}
	}
	s.check(fmt.Sprintf("none of the %d secrets is in them", len(s.secrets)), found)
}

// otherTexts are the paths of the admin API that are searched beside the runs.
var otherTexts = [...]string{"/v1/flows", "/v1/plugins", "/v1/grants", "/v1/dead-letters", "/v1/doctor"}

// texts gathers what is searched, by where it is.
func (s *stage) texts(ctx context.Context) (map[string]string, error) {
	texts := map[string]string{"log": s.log.String()}
	ids, err := s.admin.runIDs(ctx, "")
	if err != nil {
		return nil, err
	}
	paths := otherTexts[:]
	for _, id := range ids {
		paths = append(paths[:len(paths):len(paths)], "/v1/runs/"+id)
	}
	for _, path := range paths {
		body, err := s.admin.get(ctx, path)
		if err != nil {
			return nil, err
		}
		texts[path] = string(body)
	}
	return texts, nil
}

// find lists the texts that hold a value, plainly or in a usual encoding. Of
// a PEM key, its lines are looked for.
func find(texts map[string]string, value string) []string {
	var forms []string
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if len(line) >= 16 && !strings.HasPrefix(line, "-----") {
			raw := []byte(line)
			forms = append(forms, line, url.QueryEscape(line), hex.EncodeToString(raw),
				base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw))
		}
	}
	var places []string
	for place, text := range texts {
		for _, form := range forms {
			if strings.Contains(text, form) {
				places = append(places, place)
				break
			}
		}
	}
	return places
}
