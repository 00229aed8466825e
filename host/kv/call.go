package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of what one call may change, so that its commit fits into the store's
// limits beside the rest of the run.
const (
	maxChanges      = 400     // keys
	maxChangesBytes = 8 << 20 // values
)

// Call is a plugin's memory of a contact as one call sees it: what is stored,
// what earlier calls of the run have left, and its own writes. Its methods
// return *abi.Error for what the plugin did wrong; any other error is the
// store's.
type Call struct {
	memory *Memory
	plugin string
	quota  int64

	part    *part             // nil until first used
	changes map[string]change // by key
	sizes   map[string]int    // of all values, changes included
	used    int64             // bytes of all keys and values
	written int64             // bytes of the changed values
}

// load reads what the plugin remembers, at the call's first use of it.
func (c *Call) load(ctx context.Context) error {
	if c.part != nil {
		return nil
	}
	p, err := c.memory.load(ctx, c.plugin)
	if err != nil {
		return err
	}
	c.memory.mu.Lock()
	c.part, c.sizes = p, maps.Clone(p.sizes)
	c.memory.mu.Unlock()
	for key, size := range c.sizes {
		c.used += int64(len(key) + size)
	}
	return nil
}

// Get returns a value, or found false.
func (c *Call) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	if err := c.load(ctx); err != nil {
		return nil, false, err
	}
	if _, found = c.sizes[key]; !found {
		return nil, false, nil
	}
	own, ok := c.changes[key]
	if !ok {
		c.memory.mu.Lock()
		own, ok = c.part.changes[key]
		c.memory.mu.Unlock()
	}
	if ok {
		return bytes.Clone(own.value), !own.gone, nil
	}
	record, err := c.memory.store.Load(ctx, c.memory.valueID(c.plugin, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, fmt.Errorf("the value of key %q is listed and not there: restore the store from a backup", key)
	}
	return record.Value, err == nil, err
}

// Set writes a value.
func (c *Call) Set(ctx context.Context, key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > abi.MaxKVValue {
		return limit("the value of key %q has %d bytes; a value has at most %d: keep large things as blobs", key, len(value), abi.MaxKVValue)
	}
	if err := c.load(ctx); err != nil {
		return err
	}
	former, there := c.sizes[key]
	grows := int64(len(value) - former)
	if !there {
		grows += int64(len(key))
	}
	switch written := c.written + int64(len(value)-len(c.changes[key].value)); {
	case !there && len(c.sizes) >= abi.MaxKVKeys:
		return limit("the plugin remembers %d keys of the contact, which is the most: put what belongs together under one key", len(c.sizes))
	case grows > 0 && c.used+grows > c.quota: // who holds more than is granted by now may still shrink it
		return limit("the plugin remembers %d bytes of the contact, and key %q would make it %d, over the %d that it is granted: raise kv of the plugin's line in grants.yaml", c.used, key, c.used+grows, c.quota)
	case written > maxChangesBytes:
		return limit("the call would have written %d bytes of values; one call may write %d", written, maxChangesBytes)
	}
	return c.change(key, change{value: append([]byte{}, value...)}, grows)
}

// Delete removes a value, if it is there.
func (c *Call) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := c.load(ctx); err != nil {
		return err
	}
	former, there := c.sizes[key]
	if !there {
		return nil
	}
	return c.change(key, change{gone: true}, -int64(len(key)+former))
}

func (c *Call) change(key string, to change, grows int64) error {
	if _, again := c.changes[key]; !again && len(c.changes) == maxChanges {
		return limit("the call has changed %d keys, which is the most", maxChanges)
	}
	c.written += int64(len(to.value) - len(c.changes[key].value))
	c.used += grows
	c.changes[key] = to
	if to.gone {
		delete(c.sizes, key)
	} else {
		c.sizes[key] = len(to.value)
	}
	return nil
}

// List returns up to max keys with a prefix, in order, after a key; more says
// that there are others.
func (c *Call) List(ctx context.Context, prefix, after string, max int) (keys []string, more bool, err error) {
	if err := c.load(ctx); err != nil {
		return nil, false, err
	}
	for _, key := range slices.Sorted(maps.Keys(c.sizes)) {
		switch {
		case !strings.HasPrefix(key, prefix) || key <= after:
		case len(keys) == max:
			return keys, true, nil
		default:
			keys = append(keys, key)
		}
	}
	return keys, false, nil
}

// Keep hands the call's writes to the memory, for the next commit: the call
// succeeded. It says whether there were any. The Call is not used any more. Of
// two calls at once that wrote the same key, the one that ended last holds.
func (c *Call) Keep() bool {
	if len(c.changes) == 0 {
		return false
	}
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	for key, own := range c.changes {
		if own.gone {
			delete(c.part.sizes, key)
		} else {
			c.part.sizes[key] = len(own.value)
		}
	}
	maps.Copy(c.part.changes, c.changes)
	return true
}

func checkKey(key string) error {
	if key == "" || len(key) > abi.MaxKVKey || !utf8.ValidString(key) {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("key %.60q: a key is UTF-8 of 1 to %d bytes", key, abi.MaxKVKey)}
	}
	return nil
}

func limit(format string, args ...any) error {
	return &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(format, args...)}
}
