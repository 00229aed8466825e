package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/trama-run/trama/examples/quickstart/standin"
)

// Addresses of the workspace's trama.yaml.
const (
	publicAddr = "127.0.0.1:8080"
	adminAddr  = "127.0.0.1:8081"
)

// serve serves the workspace on its own ports until ctx ends or the host
// does; it returns the host's exit code.
func serve(ctx context.Context, p paths, stdout, stderr io.Writer) int {
	fail := func(err error) int {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	w, err := newWorld(p, erpAddr, graphAddr)
	if err != nil {
		return fail(err)
	}
	defer w.close() //nolint:errcheck // the process ends
	c, err := w.start(p.workspace, stderr)
	if err != nil {
		return fail(err)
	}
	if err := c.ready(ctx, adminAddr); err != nil {
		_, stopErr := c.stop()
		if ctx.Err() != nil && stopErr == nil {
			return 0 // interrupted while it started
		}
		return fail(err)
	}
	if err := w.invite(stdout); err != nil {
		c.stop() //nolint:errcheck // the error at hand tells more
		return fail(err)
	}
	go w.tell(ctx, stdout)
	select {
	case <-ctx.Done():
		code, err := c.stop()
		if err != nil {
			return fail(err)
		}
		return code
	case <-c.ended:
		fmt.Fprintln(stderr, "quickstart: trama ended:", c.cmd.ProcessState)
		return max(c.cmd.ProcessState.ExitCode(), 1)
	}
}

// invite prints what there is and how to try it. The messages are written and
// signed anew at each start, and of another person: Trama takes a message
// once, and remembers conversations.
func (w *world) invite(out io.Writer) error {
	dir := filepath.Join(w.build, "quickstart")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	phone := "55119" + digits(8)
	hook := func(file, text string) (string, error) {
		body, err := w.textMessage(phone, text)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, file)
		return fmt.Sprintf("curl -sS -H 'Content-Type: application/json' -H 'X-Hub-Signature-256: %s' --data-binary %s http://%s/hooks/wa",
			w.signature(body), shellQuote("@"+w.shown(path)), publicAddr), os.WriteFile(path, body, 0o644)
	}
	hello, err := hook("hello.json", "oi")
	if err != nil {
		return err
	}
	name, err := hook("name.json", "Ana Clara")
	if err != nil {
		return err
	}
	order := fmt.Sprintf("curl -sS -H 'Content-Type: application/xml' --data-binary %s http://%s/api/orders",
		shellQuote("@"+w.shown(filepath.Join(w.workspace, "orders", "one.xml"))), publicAddr)
	_, err = fmt.Fprintf(out, `
Trama serves examples/quickstart:
  public   http://%s   (/api/..., /hooks/...)
  admin    http://%s   (/v1/...; the command line is its client)
and these stand in for the systems that it talks to:
  ERP      http://%s%s   (SOAP 1.1)
  Graph    http://%s/%s   (WhatsApp Cloud API)

Send an order, XML in ISO-8859-1, and get a signed receipt:
  %s

Send a WhatsApp message as Meta does, signed, and see the answer below:
  %s
It asks for a name. This gives one:
  %s

Look at what ran:  build/trama runs list -w examples/quickstart
Stop with Ctrl-C.

`, publicAddr, adminAddr, w.erpAddr, standin.ERPPath, w.graphAddr, standin.GraphVersion, order, hello, name)
	return err
}

// digits are n random ones.
func digits(n int) string {
	text := make([]byte, n)
	rand.Read(text) // never fails (crypto/rand)
	for i, b := range text {
		text[i] = '0' + b%10
	}
	return string(text)
}

// shown is a path as the user may type it: short inside the working directory.
func (w *world) shown(path string) string {
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// shellQuote quotes a word for a POSIX shell if it needs it.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@/._-", r)
	}
	if strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// tell prints each message that arrives at the Graph stand-in, until ctx ends.
func (w *world) tell(ctx context.Context, out io.Writer) {
	for told := 0; ; {
		sends, more := w.graph.Watch()
		for _, s := range sends[told:] {
			fmt.Fprintf(out, "whatsapp to %s: %s\n", s.To, s.Shown())
		}
		told = len(sends)
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
	}
}
