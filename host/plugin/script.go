package plugin

import (
	"bytes"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of the scripts that are kept ready.
const (
	maxScripts     = 256
	maxScriptBytes = 256 << 20 // of their images
)

// scripts keeps, for language plugins that export "prepare", the state in
// which a script is loaded and compiled, so that a call pays only for running
// it. The least recently used ones go first.
type scripts struct {
	count int
	size  int64
	log   *slog.Logger

	mu    sync.Mutex
	ready map[scriptKey]*script // guarded by mu
	used  *list.List            // of *script, the one used last in front; guarded by mu
	bytes int64                 // of images; guarded by mu
}

// scriptKey is a script in one module's memory.
type scriptKey struct {
	module *sandbox.Module
	code   string
}

// script is one image, or one in the making, which all calls of it wait for.
type script struct {
	key     scriptKey
	element *list.Element
	users   int           // calls, those that wait included; guarded by the scripts' mu
	done    chan struct{} // closed once the following are there
	image   *sandbox.Image
	err     error
}

func newScripts(count int, size int64, log *slog.Logger) *scripts {
	return &scripts{count: count, size: size, log: log, ready: map[scriptKey]*script{}, used: list.New()}
}

// use gives a script with its image, for one call, which ends with release.
// What is wrong with the script is an error as "run" would give it. It waits no
// longer than ctx.
func (s *scripts) use(ctx context.Context, module *sandbox.Module, code string, limits sandbox.Limits) (*script, error) {
	key := scriptKey{module, code}
	s.mu.Lock()
	entry := s.ready[key]
	if entry == nil {
		entry = &script{key: key, done: make(chan struct{})}
		entry.element = s.used.PushFront(entry)
		s.ready[key] = entry
		go s.prepare(entry, limits)
	} else {
		s.used.MoveToFront(entry.element)
	}
	entry.users++
	s.mu.Unlock()
	select {
	case <-entry.done:
		if entry.err != nil {
			s.release(entry)
			return nil, entry.err
		}
		return entry, nil
	case <-ctx.Done():
		s.release(entry)
		return nil, &abi.Error{Code: abi.CodeUnavailable, Retryable: true, Message: "the script is still being prepared; nothing was called"}
	}
}

// release ends a call of a script.
func (s *scripts) release(entry *script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.users--
	s.closeUnused(entry)
}

// prepare makes the image of a script. It reaches nothing outside, and is
// bounded like a call; those who wait for it may have gone by its end.
func (s *scripts) prepare(entry *script, limits sandbox.Limits) {
	defer close(entry.done)
	ctx, cancel := context.WithTimeout(context.Background(), DefaultTimeout)
	defer cancel()
	var image *sandbox.Image
	input, err := json.Marshal(abi.Prepare{Code: entry.key.code})
	if err == nil {
		image, err = entry.key.module.Prepare(ctx, sandbox.Call{Export: abi.FuncPrepare, Input: input, Limits: limits})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		entry.err = err
		s.remove(entry) // the next call tries again
		return
	}
	entry.image = image
	if s.ready[entry.key] != entry { // removed meanwhile
		s.closeUnused(entry)
		return
	}
	s.bytes += entry.image.Bytes()
	for last := s.used.Back(); last != entry.element && (s.used.Len() > s.count || s.bytes > s.size); last = s.used.Back() {
		s.remove(last.Value.(*script)) // the list holds nothing else
	}
}

// remove lets go of a script. The caller holds mu.
func (s *scripts) remove(entry *script) {
	if s.ready[entry.key] != entry {
		return
	}
	delete(s.ready, entry.key)
	s.used.Remove(entry.element)
	if entry.image != nil {
		s.bytes -= entry.image.Bytes()
		s.closeUnused(entry)
	}
}

// closeUnused releases the image of a script that was removed, after its last
// call: one that waited for it must find it. The caller holds mu.
func (s *scripts) closeUnused(entry *script) {
	if entry.users > 0 || entry.image == nil || s.ready[entry.key] == entry {
		return
	}
	image := entry.image
	entry.image = nil
	go func() {
		if err := image.Close(context.Background()); err != nil {
			s.log.Error("close the image of a script", "error", err)
		}
	}()
}

// forget lets go of all scripts of a module, which is about to close.
func (s *scripts) forget(module *sandbox.Module) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, entry := range s.ready {
		if key.module == module {
			s.remove(entry)
		}
	}
}

// withCode puts a script into the input of a plugin that prepares none.
func withCode(input []byte, code string) ([]byte, error) {
	text, err := json.Marshal(code)
	if err != nil {
		return nil, err
	}
	rest, isObject := bytes.CutPrefix(bytes.TrimLeft(input, " \t\r\n"), []byte("{"))
	if !isObject {
		return nil, errors.New("the input of a script is not an object")
	}
	separator := ","
	if bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("}")) {
		separator = ""
	}
	return fmt.Appendf(nil, `{"code":%s%s%s`, text, separator, rest), nil
}
