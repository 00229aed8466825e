package pdktest

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// EffectIDOfTests is what [Host.EffectID] gives.
const EffectIDOfTests = "test-effect"

// state is what a host has beside requests and keys.
type state struct {
	config  map[string]string
	secrets map[string]bool
	memory  map[string][]byte
	logged  []string
}

// SetConfig gives the plugin a setting.
func (h *Host) SetConfig(key, value string) { h.config[key] = value }

// Config gives a setting of [Host.SetConfig].
func (h *Host) Config(key string) (value string, ok bool) {
	value, ok = h.config[key]
	return value, ok
}

// Log keeps one line; see [Host.Logged].
func (h *Host) Log(level, text string) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("log: level %q: want debug, info, warn or error", level)}
	}
	h.logged = append(h.logged, level+": "+text)
	return nil
}

// Logged lists the lines so far, as "level: text".
func (h *Host) Logged() []string { return slices.Clone(h.logged) }

// EffectID gives [EffectIDOfTests].
func (h *Host) EffectID() (string, error) { return EffectIDOfTests, nil }

// Deadline gives an instant in half a minute.
func (h *Host) Deadline() (time.Time, error) { return time.Now().Add(30 * time.Second), nil }

// Random gives n bytes, 1 to 4096.
func (h *Host) Random(n int) ([]byte, error) {
	if n < 1 || n > 4096 {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("random: n is %d, want 1 to 4096", n)}
	}
	bytes := make([]byte, n)
	rand.Read(bytes) // never fails
	return bytes, nil
}

// AddSecret lets the plugin refer to a secret.
func (h *Host) AddSecret(name string) { h.secrets[name] = true }

// SecretRef gives "<secret:NAME>" for a secret of [Host.AddSecret].
func (h *Host) SecretRef(name string) (string, error) {
	if !h.secrets[name] {
		return "", &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("secret_ref: the secret %q is not granted", name)}
	}
	return "<secret:" + name + ">", nil
}

// KVGet reads the memory of the one contact that a test has.
func (h *Host) KVGet(key string) (value []byte, found bool, err error) {
	if err := checkKey("kv_get", key); err != nil {
		return nil, false, err
	}
	value, found = h.memory[key]
	return slices.Clone(value), found, nil
}

// KVSet writes it.
func (h *Host) KVSet(key string, value []byte) error {
	if err := checkKey("kv_set", key); err != nil {
		return err
	}
	if n := len(value); n > abi.MaxKVValue {
		return &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("kv_set: the value has %d bytes, over the limit of %d", n, abi.MaxKVValue)}
	}
	h.memory[key] = append([]byte{}, value...)
	return nil
}

// KVDelete removes a value, if it is there.
func (h *Host) KVDelete(key string) error {
	if err := checkKey("kv_delete", key); err != nil {
		return err
	}
	delete(h.memory, key)
	return nil
}

// KVList gives keys with a prefix in order, after a key, at most limit of them.
func (h *Host) KVList(prefix, after string, limit int) (keys []string, more bool, err error) {
	if limit <= 0 || limit > abi.MaxKVList {
		limit = abi.MaxKVList
	}
	for _, key := range slices.Sorted(maps.Keys(h.memory)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if len(keys) == limit {
			return keys, true, nil
		}
		keys = append(keys, key)
	}
	return keys, false, nil
}

func checkKey(function, key string) error {
	if key == "" || len(key) > abi.MaxKVKey {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("%s: the key has %d bytes, want 1 to %d", function, len(key), abi.MaxKVKey)}
	}
	return nil
}
