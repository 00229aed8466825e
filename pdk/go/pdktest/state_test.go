package pdktest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

// The methods have the signatures of pdk's functions, so that logic takes both.
var (
	host = (*pdktest.Host)(nil)
	_    = []func(string) (string, bool){pdk.Config, host.Config}
	_    = []func(string, string) error{pdk.Log, host.Log}
	_    = []func() (string, error){pdk.EffectID, host.EffectID}
	_    = []func() (time.Time, error){pdk.Deadline, host.Deadline}
	_    = []func(int) ([]byte, error){pdk.Random, host.Random}
	_    = []func(string) (string, error){pdk.SecretRef, host.SecretRef}
	_    = []func(string) ([]byte, bool, error){pdk.KVGet, host.KVGet}
	_    = []func(string, []byte) error{pdk.KVSet, host.KVSet}
	_    = []func(string) error{pdk.KVDelete, host.KVDelete}
	_    = []func(string, string, int) ([]string, bool, error){pdk.KVList, host.KVList}
)

func TestState(t *testing.T) {
	h := pdktest.NewHost(t)
	h.SetConfig("currency", "BRL")
	h.AddSecret("token")
	if value, ok := h.Config("currency"); value != "BRL" || !ok {
		t.Errorf("%q, %v", value, ok)
	}
	if _, ok := h.Config("other"); ok {
		t.Error("a setting that nobody gave")
	}
	if handle, err := h.SecretRef("token"); handle != "<secret:token>" || err != nil {
		t.Errorf("%q, %v", handle, err)
	}
	if _, err := h.SecretRef("other"); err == nil || !strings.HasPrefix(err.Error(), "denied: ") {
		t.Errorf("%v", err)
	}
	if err := h.Log("loud", "x"); err == nil {
		t.Error("a level that there is not")
	}
	if err := h.Log("info", "made 7"); err != nil || !slices.Equal(h.Logged(), []string{"info: made 7"}) {
		t.Errorf("%q, %v", h.Logged(), err)
	}
	if id, err := h.EffectID(); id != "test-effect" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	if at, err := h.Deadline(); !at.After(time.Now()) || err != nil {
		t.Errorf("%v, %v", at, err)
	}
	one, err := h.Random(16)
	other, _ := h.Random(16)
	if len(one) != 16 || err != nil || string(one) == string(other) {
		t.Errorf("%x, %x, %v", one, other, err)
	}
	if _, err := h.Random(5000); err == nil {
		t.Error("5000 random bytes")
	}
}

func TestMemory(t *testing.T) {
	h := pdktest.NewHost(t)
	for _, key := range []string{"b", "a2", "a1", "a3"} {
		if err := h.KVSet(key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if value, found, err := h.KVGet("b"); string(value) != "b" || !found || err != nil {
		t.Errorf("%q, %v, %v", value, found, err)
	}
	if err := h.KVDelete("b"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := h.KVGet("b"); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if keys, more, err := h.KVList("a", "a1", 1); !slices.Equal(keys, []string{"a2"}) || !more || err != nil {
		t.Errorf("%q, %v, %v", keys, more, err)
	}
	if keys, more, err := h.KVList("", "", 0); !slices.Equal(keys, []string{"a1", "a2", "a3"}) || more || err != nil {
		t.Errorf("%q, %v, %v", keys, more, err)
	}
	if err := h.KVSet("", nil); err == nil {
		t.Error("a key without a name")
	}
	if err := h.KVSet("k", make([]byte, 2<<20)); err == nil {
		t.Error("a value of 2 MiB")
	}
}
