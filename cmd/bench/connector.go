package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	secrets "github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// connectorCalls are those of one round: as many by the plugin as by net/http, in
// turns, so that both meet the same machine.
const connectorCalls = 2000

// connector measures what a call of the http plugin, in standard Go, takes beyond
// the request that it makes: http.get under a connection, beside the same request
// by net/http in this process, both on a connection that is kept alive.
func connector(s settings, dir string) (rows []Row, err error) {
	if !s.wants("connector.overhead") {
		return nil, nil
	}
	const answer = `{"id":42,"items":[{"price":250,"quantity":2}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer) //nolint:errcheck // a lost answer fails the call
	}))
	defer server.Close()
	installed, end, err := installAlone(dir, "http")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	ctx := context.Background()
	call := plugin.Call{Plugin: "http", Export: "get", Input: []byte(`{"url":"/orders/42"}`), Connection: &egress.Connection{ID: "bench", BaseURL: server.URL}}
	ours := func() error {
		if _, _, failure := installed.Call(ctx, call); failure != nil {
			return failure
		}
		return nil
	}
	theirs := func() error {
		response, err := server.Client().Get(server.URL + "/orders/42")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.ReadAll(response.Body)
		return err
	}
	var a, b, over []float64
	for round := range s.rounds + 1 {
		with, without, err := inTurns(ours, theirs)
		if err != nil {
			return nil, fmt.Errorf("connector.overhead: %w", err)
		}
		if round > 0 { // the first one warms both up
			a, b, over = append(a, with), append(b, without), append(over, with-without)
		}
	}
	v := median(over)
	return []Row{{
		Name: "connector.overhead", Unit: "us", Value: v, Peer: "net/http", PeerValue: median(b), Ratio: median(a) / median(b),
		Goal: "<= 200 us more", Met: v <= 200,
	}}, nil
}

// inTurns gives the medians of single calls, in microseconds.
func inTurns(a, b func() error) (ofA, ofB float64, err error) {
	times := [2][]float64{}
	for range connectorCalls {
		for i, f := range []func() error{a, b} {
			began := time.Now()
			if err := f(); err != nil {
				return 0, 0, err
			}
			times[i] = append(times[i], float64(time.Since(began).Nanoseconds())/1000)
		}
	}
	for _, all := range times {
		sort.Float64s(all)
	}
	return times[0][connectorCalls/2], times[1][connectorCalls/2], nil
}

// installAlone gives a registry that has one bundled plugin, which may use its
// connections and the secrets named.
func installAlone(dir, name string, granted ...string) (*plugin.Registry, func() error, error) {
	wasm, err := os.ReadFile(filepath.Join("build", "plugins", name+".wasm"))
	if err != nil {
		return nil, nil, err
	}
	dir = filepath.Join(dir, "alone-"+name)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Join(dir, "plugins"), 0o755)); err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "plugins", name+".wasm"), wasm, 0o644); err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	box, err := openBox(dir)
	if err != nil {
		return nil, nil, err
	}
	none := secrets.New(nil, "")
	client := egress.New(egress.Config{Secrets: none})
	r := plugin.New(plugin.Config{
		Dirs: []string{filepath.Join(dir, "plugins")}, DataDir: filepath.Join(dir, "data"), CacheDir: filepath.Join(dir, "cache"),
		Sandbox: box, Egress: client, Secrets: none, Log: slog.New(slog.DiscardHandler),
	})
	end := func() error {
		r.Close()
		client.Close()
		return box.Close(ctx)
	}
	if err := r.Scan(ctx); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	r.SetGrants([]grant.Grant{{Plugin: name, Of: "sha256:" + r.List()[0].Digest, Egress: []string{abi.EgressConnection}, Secrets: granted}})
	if failure := r.Ready(name); failure != nil {
		return nil, nil, errors.Join(failure, end())
	}
	return r, end, nil
}
