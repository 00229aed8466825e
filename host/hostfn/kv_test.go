package hostfn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// notes is a memory of what a test puts there.
type notes struct {
	values map[string][]byte
	broken error
	asked  []string // prefix, after
	max    int
}

func (n *notes) Get(_ context.Context, key string) ([]byte, bool, error) {
	value, found := n.values[key]
	return value, found, n.broken
}

func (n *notes) Set(_ context.Context, key string, value []byte) error {
	if n.broken == nil {
		n.values[key] = value
	}
	return n.broken
}

func (n *notes) Delete(_ context.Context, key string) error {
	delete(n.values, key)
	return n.broken
}

func (n *notes) List(_ context.Context, prefix, after string, most int) ([]string, bool, error) {
	n.asked, n.max = []string{prefix, after}, most
	return nil, true, n.broken
}

func TestKV(t *testing.T) {
	memory := &notes{values: map[string][]byte{}}
	f := newFixture(t)
	f.Host = New(Call{KVGranted: true, KV: memory})
	for _, value := range []string{"one", "", "\x00\xff"} {
		if err := f.call(t, abi.HostKVSet, abi.KVSet{Key: "k", Value: []byte(value)}, nil); err != nil {
			t.Fatal(err)
		}
		var got abi.KVValue
		if err := f.call(t, abi.HostKVGet, abi.KVGet{Key: "k"}, &got); err != nil || !got.Found || got.Value == nil || string(got.Value) != value {
			t.Errorf("%q came back as %+v, %v", value, got, err)
		}
	}
	if err := f.call(t, abi.HostKVDelete, abi.KVDelete{Key: "k"}, nil); err != nil {
		t.Fatal(err)
	}
	var got abi.KVValue
	if err := f.call(t, abi.HostKVGet, abi.KVGet{Key: "k"}, &got); err != nil || got.Found || got.Value != nil {
		t.Errorf("what was deleted is %+v, %v", got, err)
	}
	for limit, want := range map[int]int{0: abi.MaxKVList, 7: 7, abi.MaxKVList: abi.MaxKVList} {
		var keys abi.KVKeys
		if err := f.call(t, abi.HostKVList, abi.KVList{Prefix: "p", After: "a", Limit: limit}, &keys); err != nil || keys.Keys == nil || !keys.More || memory.max != want || !slices.Equal(memory.asked, []string{"p", "a"}) {
			t.Errorf("limit %d: %+v, %v, asked for %d of %q", limit, keys, err, memory.max, memory.asked)
		}
	}
}

func TestKVRefuses(t *testing.T) {
	f := newFixture(t)
	memory := &notes{values: map[string][]byte{}}
	requests := map[string]any{abi.HostKVGet: abi.KVGet{Key: "k"}, abi.HostKVSet: abi.KVSet{Key: "k"}, abi.HostKVDelete: abi.KVDelete{Key: "k"}, abi.HostKVList: abi.KVList{}}
	for _, c := range []struct {
		name       string
		call       Call
		broken     error
		code, text string
	}{
		{"nothing granted", Call{KV: memory}, nil, abi.CodeDenied, "grants.yaml give kv"},
		{"no contact", Call{KVGranted: true}, nil, abi.CodeUnavailable, "no contact"},
		{"a full memory", Call{KVGranted: true, KV: memory}, &abi.Error{Code: abi.CodeLimit, Message: "full"}, abi.CodeLimit, "full"},
		{"a broken store", Call{KVGranted: true, KV: memory}, errors.New("disk"), abi.CodeUnavailable, "store"},
	} {
		f.Host = New(c.call)
		memory.broken = c.broken
		for function, request := range requests {
			if err := f.call(t, function, request, nil); err == nil || err.Code != c.code || !strings.Contains(err.Message, c.text) || !strings.HasPrefix(err.Message, function+": ") {
				t.Errorf("%s, %s: %v", c.name, function, err)
			}
		}
	}
	f.Host = New(Call{KVGranted: true, KV: memory})
	memory.broken = nil
	for _, limit := range []int{-1, abi.MaxKVList + 1} {
		if err := f.call(t, abi.HostKVList, abi.KVList{Limit: limit}, nil); err == nil || err.Code != abi.CodeInvalid {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	for _, request := range []string{`{"key":"k","value":"not base64!"}`, `{"keys":"k"}`, ``, `[]`} {
		if err := f.call(t, abi.HostKVSet, []byte(request), nil); err == nil || err.Code != abi.CodeInvalid {
			t.Errorf("%s: %v", request, err)
		}
	}
}
