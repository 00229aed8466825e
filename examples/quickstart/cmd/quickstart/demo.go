package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// demoLimit ends a demo that hangs; a warm one takes well under a minute.
const demoLimit = 8 * time.Minute

// stage is where the demo plays: the world, a copy of the workspace on free
// ports, and the host that serves it now.
type stage struct {
	*world
	out    io.Writer
	dir    string // the copy
	public string // address of the public listener
	admin  admin
	log    *logBuffer
	child  *child
	client *http.Client
	wrong  int // answers that were not what they must be

	person string   // who has the conversation
	late   []string // with whom it was begun in vain
}

// demo plays all scenes and returns an error if anything was wrong.
func demo(ctx context.Context, p paths, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoLimit, fmt.Errorf("the demo took longer than %s", demoLimit))
	defer cancel()
	began := time.Now()
	w, err := newWorld(p, "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	s, err := newStage(w, out)
	if err != nil {
		return err
	}
	defer func() {
		if s.child != nil {
			s.child.kill()
		}
		if err != nil {
			lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
			fmt.Fprintf(out, "\nThe host's last lines:\n  %s\nIts workspace and data are kept in %s\n", strings.Join(lines[max(0, len(lines)-30):], "\n  "), s.dir)
			return
		}
		err = os.RemoveAll(filepath.Dir(s.dir))
	}()
	if err := s.restart(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Trama serves a copy of examples/quickstart on http://%s, ready after %s.\n", s.public, since(began))
	s.orders(ctx)
	s.talks(ctx)
	s.secrecy(ctx)
	code, err := s.child.stop()
	s.check("the host stops when it is asked to", errors.Join(err, same("exit code", code, 0)))
	s.child = nil
	if s.wrong > 0 {
		return fmt.Errorf("%d checks of the demo failed", s.wrong)
	}
	fmt.Fprintf(out, "\nAll answers were right. It took %s.\n", since(began))
	return nil
}

// newStage copies the workspace to a directory on the build's disk, with the
// addresses of this world in its files.
func newStage(w *world, out io.Writer) (*stage, error) {
	dir, err := os.MkdirTemp(w.build, "demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{
		world: w, out: out, dir: filepath.Join(dir, "workspace"), log: &logBuffer{},
		// A killed host leaves its connections dead: none is kept.
		client: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if s.public, err = freeAddr(); err != nil {
		return nil, err
	}
	if s.admin.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	s.admin.data, s.admin.client = filepath.Join(s.dir, "data"), s.client
	values := strings.NewReplacer(erpAddr, w.erpAddr, graphAddr, w.graphAddr, publicAddr, s.public, adminAddr, s.admin.addr, "../../build", w.build)
	count := 0
	for _, pattern := range []string{"*.yaml", "flows/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(w.workspace, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			name, err := filepath.Rel(w.workspace, file)
			if err != nil {
				return nil, err
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			to := filepath.Join(s.dir, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(to, []byte(values.Replace(string(data))), 0o644); err != nil {
				return nil, err
			}
			count++
		}
	}
	if count < 7 {
		return nil, fmt.Errorf("the workspace has %d files, want at least 7", count)
	}
	return s, nil
}

// freeAddr is a loopback address with a port that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// restart starts the host, again after a kill, and waits until it is ready.
func (s *stage) restart(ctx context.Context) error {
	var err error
	if s.child, err = s.start(s.dir, s.log); err != nil {
		return err
	}
	return s.child.ready(ctx, s.admin.addr)
}

// scene begins a part of the demo.
func (s *stage) scene(title string) {
	fmt.Fprintf(s.out, "\n== %s\n", title)
}

// say prints one line of what happens.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "   "+format+"\n", args...)
}

// check prints whether something is as it must be, and counts if it is not.
func (s *stage) check(what string, err error) {
	if err == nil {
		fmt.Fprintf(s.out, "   ok: %s\n", what)
		return
	}
	s.wrong++
	fmt.Fprintf(s.out, "   WRONG: %s: %v\n", what, err)
}

// exchange is one request to the public listener and its answer.
type exchange struct {
	method, path string
	headers      map[string]string
	body         []byte
	shown        string // what the body is, for people

	status int
	header http.Header
	answer []byte
}

// send sends a request, prints it and its answer, and the steps that ran.
func (s *stage) send(ctx context.Context, e *exchange) error {
	if err := s.post(ctx, e); err != nil {
		return err
	}
	if id := e.header.Get("Trama-Run"); id != "" {
		r, err := s.admin.ended(ctx, id)
		if err != nil {
			return err
		}
		s.steps(r)
	}
	s.say("%d %s", e.status, short(e.answer))
	return nil
}

// post is send without the steps and the answer.
func (s *stage) post(ctx context.Context, e *exchange) error {
	s.say("%s %s  %s", e.method, e.path, e.shown)
	return s.fetch(ctx, e)
}

// fetch sends a request and prints nothing.
func (s *stage) fetch(ctx context.Context, e *exchange) error {
	request, err := http.NewRequestWithContext(ctx, e.method, "http://"+s.public+e.path, bytes.NewReader(e.body))
	if err != nil {
		return err
	}
	for name, value := range e.headers {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	e.status, e.header = response.StatusCode, response.Header
	e.answer, err = io.ReadAll(response.Body)
	return err
}

// steps prints what a run did.
func (s *stage) steps(r runInfo) {
	for _, step := range r.Steps {
		line := fmt.Sprintf("  %-10s %-14s", step.Node, step.Type)
		if step.Port != "" {
			line += " -> " + step.Port
		}
		if step.Error != nil {
			line += "  (" + short([]byte(step.Error.Code+": "+step.Error.Message)) + ")"
		}
		s.say("%s", strings.TrimRight(line, " "))
	}
}

// path lists the nodes of a run in order.
func (r runInfo) path() []string {
	var nodes []string
	for _, step := range r.Steps {
		nodes = append(nodes, step.Node)
	}
	return nodes
}

// short is a body in one line that fits a screen.
func short(body []byte) string {
	text := strings.Join(strings.Fields(string(body)), " ")
	if runes := []rune(text); len(runes) > 220 {
		return string(runes[:217]) + "..."
	}
	return text
}

func since(t time.Time) time.Duration { return time.Since(t).Round(10 * time.Millisecond) }

// same is an error unless two values are equal.
func same(what string, got, want any) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("%s is %v, want %v", what, got, want)
}

// sameJSON is an error unless body is JSON equal to want, an object of text,
// float64, bool and so on.
func sameJSON(body []byte, want map[string]any) error {
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("the answer is no JSON object: %w", err)
	}
	return same("the answer", got, want)
}

// problem is an error unless the answer is problem details (RFC 9457) with
// this status and code.
func (e *exchange) problem(status int, code string) error {
	var got struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	err := json.Unmarshal(e.answer, &got)
	return errors.Join(err,
		same("status", e.status, status), same("status in the body", got.Status, status), same("code", got.Code, code),
		same("content type", e.header.Get("Content-Type"), "application/problem+json"))
}
