package hostfn

import (
	"context"
	"errors"
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
)

// KV is what the plugin remembers of the contact, as this call sees it. Its
// errors are *abi.Error for what the guest did wrong.
type KV interface {
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	Set(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	// List returns up to max keys with a prefix, in order, after a key; more
	// says that there are others.
	List(ctx context.Context, prefix, after string, max int) (keys []string, more bool, err error)
}

// kv gives the call's memory, or says why it has none.
func (h *Host) kv() (KV, error) {
	switch {
	case !h.call.KVGranted:
		return nil, &abi.Error{Code: abi.CodeDenied, Message: "the plugin may remember nothing: its manifest must ask for kv_bytes, and its line in grants.yaml give kv"}
	case h.call.KV == nil:
		return nil, &abi.Error{Code: abi.CodeUnavailable, Message: "this call has no contact to remember something of: gateway runs have none, and a channel adapter's receive and send are not part of a conversation's run; use the plugin in a flow that a message starts"}
	}
	return h.call.KV, nil
}

// ofStore is a failure of the host's store, which a guest need not know
// more of.
func ofStore(err error) error {
	var shaped *abi.Error
	if err == nil || errors.As(err, &shaped) {
		return err
	}
	return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("the host's store: %v", err), Retryable: true}
}

func (h *Host) kvGet(ctx context.Context, r abi.KVGet) (abi.KVValue, error) {
	kv, err := h.kv()
	if err != nil {
		return abi.KVValue{}, err
	}
	value, found, err := kv.Get(ctx, r.Key)
	if found && value == nil {
		value = []byte{} // "" in JSON: null says that nothing was found
	}
	return abi.KVValue{Found: found, Value: value}, ofStore(err)
}

func (h *Host) kvSet(ctx context.Context, r abi.KVSet) (none, error) {
	kv, err := h.kv()
	if err != nil {
		return none{}, err
	}
	return none{}, ofStore(kv.Set(ctx, r.Key, r.Value))
}

func (h *Host) kvDelete(ctx context.Context, r abi.KVDelete) (none, error) {
	kv, err := h.kv()
	if err != nil {
		return none{}, err
	}
	return none{}, ofStore(kv.Delete(ctx, r.Key))
}

func (h *Host) kvList(ctx context.Context, r abi.KVList) (abi.KVKeys, error) {
	kv, err := h.kv()
	if err != nil {
		return abi.KVKeys{}, err
	}
	if r.Limit < 0 || r.Limit > abi.MaxKVList {
		return abi.KVKeys{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("limit is %d: ask for 1 to %d keys", r.Limit, abi.MaxKVList)}
	}
	if r.Limit == 0 {
		r.Limit = abi.MaxKVList
	}
	keys, more, err := kv.List(ctx, r.Prefix, r.After, r.Limit)
	if keys == nil {
		keys = []string{}
	}
	return abi.KVKeys{Keys: keys, More: more}, ofStore(err)
}
