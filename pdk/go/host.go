package pdk

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// Each function below is one of abi.ModuleTrama. Calling one makes the module
// import it, and so need a Trama host. What a host refuses comes back as an
// *abi.Error, whose code says why: abi.CodeDenied, abi.CodeUnreachable.

// HTTPSend sends one request through the host's egress. Any status is an
// answer, not an error.
func HTTPSend(request abi.HTTPRequest) (abi.HTTPResponse, error) {
	request.Headers = ownType(request.Headers)
	data, ok := writeRequest(request)
	if !ok {
		var err error
		if data, err = encode(request); err != nil {
			return abi.HTTPResponse{}, Errorf(abi.CodeInvalid, "request to the host: %v", err)
		}
	}
	reply := exchange(hostHTTPSend, data)
	if answer, ok := readResponse(reply); ok {
		return answer, nil
	}
	return answerOf[abi.HTTPResponse](reply)
}

// SecretRef gives a handle that stands for the named secret in requests of
// this call, at the places that the manifest declares.
func SecretRef(name string) (string, error) {
	reply, err := ask[abi.SecretHandle](hostSecretRef, abi.SecretRef{Name: name})
	return reply.Handle, err
}

// Sign signs data with a key that stays in the host.
func Sign(key, algorithm string, data []byte) ([]byte, error) {
	reply, err := ask[abi.Signature](hostSign, abi.Sign{Key: key, Algorithm: algorithm, Data: data})
	return reply.Signature, err
}

// Verify checks a signature with a key that stays in the host.
func Verify(key, algorithm string, data, signature []byte) (bool, error) {
	reply, err := ask[abi.Verified](hostVerify, abi.Verify{Key: key, Algorithm: algorithm, Data: data, Signature: signature})
	return reply.Valid, err
}

// EffectID gives the id of the effect that this call performs. It is the same
// when the host repeats the call: an idempotency key.
func EffectID() (string, error) {
	reply, err := ask[abi.EffectID](hostEffectID, nil)
	return reply.ID, err
}

// Deadline gives the instant at which the host stops the call.
func Deadline() (time.Time, error) {
	reply, err := ask[abi.Deadline](hostDeadline, nil)
	return time.UnixMilli(reply.UnixMillis), err
}

// Random gives n bytes, at most 4096, from the host's cryptographic source.
func Random(n int) ([]byte, error) {
	reply, err := ask[abi.RandomBytes](hostRandom, abi.Random{N: n})
	return reply.Bytes, err
}

// KVGet reads a value of the plugin's own memory of the contact whose message
// is worked on; found is false if there is none.
func KVGet(key string) (value []byte, found bool, err error) {
	reply, err := ask[abi.KVValue](hostKVGet, abi.KVGet{Key: key})
	return reply.Value, reply.Found, err
}

// KVSet writes a value. It is kept together with the call's result, and
// forgotten if the call fails.
func KVSet(key string, value []byte) error {
	_, err := ask[struct{}](hostKVSet, abi.KVSet{Key: key, Value: value})
	return err
}

// KVDelete removes a value, if it is there.
func KVDelete(key string) error {
	_, err := ask[struct{}](hostKVDelete, abi.KVDelete{Key: key})
	return err
}

// KVList gives keys with a prefix in order, after a key, at most limit of them
// (0: as many as the host gives at once). More says that there are others.
func KVList(prefix, after string, limit int) (keys []string, more bool, err error) {
	reply, err := ask[abi.KVKeys](hostKVList, abi.KVList{Prefix: prefix, After: after, Limit: limit})
	return reply.Keys, reply.More, err
}

// hostFunction is one import of abi.ModuleTrama: from the offset of a request
// block to the offset of a reply block.
type hostFunction func(request uint64) (reply uint64)

// ask calls a host function and takes its abi.Reply apart. A nil request
// passes no block.
func ask[Answer any](function hostFunction, request any) (answer Answer, err error) {
	var data []byte
	if request != nil {
		if data, err = encode(request); err != nil {
			return answer, Errorf(abi.CodeInvalid, "request to the host: %v", err)
		}
	}
	return answerOf[Answer](exchange(function, data))
}

// answerOf takes an abi.Reply apart. An answer is read once: as one that is
// unlike the host's it is found out then.
func answerOf[Answer any](reply []byte) (answer Answer, err error) {
	ok, plain := bytes.CutPrefix(reply, []byte(replyOK))
	if plain {
		ok, plain = bytes.CutSuffix(ok, []byte{'}'})
	}
	if !plain {
		var of abi.Reply
		if err := json.Unmarshal(reply, &of); err != nil {
			return answer, Errorf(CodeError, "reply of the host: %v", err)
		}
		if of.Error != nil {
			return answer, of.Error
		}
		ok = of.OK
	}
	if err := json.Unmarshal(ok, &answer); err != nil {
		return answer, Errorf(CodeError, "reply of the host: %v", err)
	}
	return answer, nil
}
