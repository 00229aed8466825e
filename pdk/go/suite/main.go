// Command suite is the connector of pdk/suite in Go: what it must do is stated
// there, for all languages.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

//go:wasmexport echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}

//go:wasmexport total
func total() int32 { return answer(addUp(pdk.Input())) }

//go:wasmexport fetch
func fetch() int32 { return pdk.Handle(makeContact) }

//go:wasmexport count
func count() int32 { return pdk.Handle(remember) }

//go:wasmexport sign
func sign() int32 { return pdk.Handle(signOrVerify) }

//go:wasmexport settings
func settings() int32 { return pdk.Handle(readSetting) }

//go:wasmexport secret
func secret() int32 { return pdk.Handle(sendSecret) }

//go:wasmexport clock
func clock() int32 { return pdk.Handle(lookAtClock) }

//go:wasmexport fail
func fail() int32 {
	input := pdk.Input()
	var how failing
	if json.Unmarshal(input, &how) == nil && how.How == "silent" {
		return 1
	}
	return answer(pdk.Call(failSomehow, input))
}

func main() {}

// answer ends a call whose bytes are made here.
func answer(output []byte, failure *abi.Error) int32 {
	if failure != nil {
		return pdk.Fail(failure)
	}
	pdk.Output(output)
	return 0
}

// addUp reads each field by itself, so that its errors name the one.
func addUp(input []byte) ([]byte, *abi.Error) {
	if !json.Valid(input) || !utf8.Valid(input) {
		return nil, pdk.Errorf(abi.CodeInvalid, "input: it is not JSON")
	}
	var order map[string]json.RawMessage
	var items []json.RawMessage
	if json.Unmarshal(input, &order) != nil || json.Unmarshal(order["items"], &items) != nil || items == nil {
		return nil, pdk.Errorf(abi.CodeInvalid, "items: want a list")
	}
	var sum float64
	for i, item := range items {
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(item, &fields) // what is no object has no fields
		product := 1.0
		for _, name := range []string{"price", "quantity"} {
			n, err := strconv.ParseFloat(string(fields[name]), 64)
			if err != nil || !whole(n) {
				return nil, pdk.Errorf(abi.CodeInvalid, "items[%d].%s: want a whole number", i, name)
			}
			product *= n
		}
		sum += product
		if !whole(product) || !whole(sum) {
			return nil, pdk.Errorf(abi.CodeInvalid, "items[%d]: the total is beyond %d", i, most)
		}
	}
	return fmt.Appendf(nil, `{"total":%d,"items":%d}`, int64(sum), len(items)), nil
}

// most is what a float holds exactly, and so JSON in every language.
const most = 1<<53 - 1

func whole(n float64) bool { return math.Abs(n) <= most && math.Trunc(n) == n }

// text gives a field that must be there.
func text(name string, value *string) (string, error) {
	if value == nil {
		return "", pdk.Errorf(abi.CodeInvalid, "%s: want a text", name)
	}
	return *value, nil
}

type contact struct {
	Name    *string `json:"name"`
	Type    string  `json:"type,omitempty"`
	Secured bool    `json:"secured,omitempty"`
}

type made struct {
	Status int    `json:"status"`
	ID     string `json:"id"`
}

func makeContact(in contact) (made, error) {
	name, err := text("name", in.Name)
	if err != nil {
		return made{}, err
	}
	effect, err := pdk.EffectID()
	if err != nil {
		return made{}, err
	}
	request, err := pdk.JSONRequest("POST", "/contacts", map[string]string{"name": name})
	if err != nil {
		return made{}, err
	}
	request.Headers["idempotency-key"] = effect
	if in.Type != "" {
		request.Headers["content-type"] = in.Type
	}
	if in.Secured {
		request.WSSecurity = &abi.WSSecurity{At: 1, NoHeader: true, Envelope: "http://www.w3.org/2003/05/soap-envelope"}
	}
	response, err := pdk.HTTPSend(request)
	if err != nil {
		return made{}, err
	}
	switch response.Status {
	case 200, 201:
		var answer struct {
			ID *string `json:"id"`
		}
		data, err := pdk.Body(response)
		if err == nil {
			err = json.Unmarshal(data, &answer)
		}
		if err == nil && answer.ID == nil {
			err = errors.New("the service's answer: id: want a text")
		}
		if err != nil {
			return made{}, err
		}
		return made{response.Status, *answer.ID}, nil
	case 404:
		return made{}, pdk.Errorf("not_found", "no contact %s", name)
	}
	failure := pdk.Errorf("http_status", "status %d", response.Status)
	failure.Retryable = pdk.MayRetry(response.Status)
	failure.RetryAfterMillis = pdk.RetryAfterMillis(response)
	return made{}, failure
}

type counting struct {
	Key    *string `json:"key"`
	Forget bool    `json:"forget"`
	List   *string `json:"list"`
}

func remember(in counting) (any, error) {
	if in.List != nil {
		keys, _, err := pdk.KVList(*in.List, "", 0)
		return struct {
			Keys []string `json:"keys"`
		}{keys}, err
	}
	type counted struct {
		N int `json:"n"`
	}
	key, err := text("key", in.Key)
	if err != nil {
		return nil, err
	}
	if in.Forget {
		return counted{0}, pdk.KVDelete(key)
	}
	value, found, err := pdk.KVGet(key)
	if err != nil {
		return nil, err
	}
	n := new(float64) // null is no number
	if found && (json.Unmarshal(value, &n) != nil || n == nil || !whole(*n) || *n == most) {
		return nil, pdk.Errorf(abi.CodeInvalid, "%s: what is kept there is no number to add to", key)
	}
	next := int(*n) + 1
	return counted{next}, pdk.KVSet(key, []byte(strconv.Itoa(next)))
}

type signing struct {
	Text      *string `json:"text"`
	Algorithm *string `json:"algorithm"`
	Signature *string `json:"signature"`
}

func signOrVerify(in signing) (any, error) {
	data, err := text("text", in.Text)
	if err != nil {
		return nil, err
	}
	algorithm := abi.AlgHS256
	if in.Algorithm != nil {
		algorithm = *in.Algorithm
	}
	if algorithm != abi.AlgHS256 && algorithm != abi.AlgHS512 {
		return nil, pdk.Errorf(abi.CodeInvalid, "algorithm: want HS256 or HS512")
	}
	if in.Signature == nil {
		signature, err := pdk.Sign("suite", algorithm, []byte(data))
		return map[string]string{"signature": hex.EncodeToString(signature)}, err
	}
	signature, err := hex.DecodeString(*in.Signature)
	if err != nil {
		return nil, pdk.Errorf(abi.CodeInvalid, "signature: want hexadecimal digits")
	}
	valid, err := pdk.Verify("suite", algorithm, []byte(data), signature)
	return map[string]bool{"valid": valid}, err
}

type setting struct {
	Key *string `json:"key"`
}

func readSetting(in setting) (any, error) {
	key, err := text("key", in.Key)
	if err != nil {
		return nil, err
	}
	var out struct {
		Value *string `json:"value"`
	}
	value, ok := pdk.Config(key)
	if ok {
		out.Value = &value
	}
	for _, line := range [][2]string{{"info", "config " + key}, {"warn", "config " + key}, {"debug", value}} {
		if err := pdk.Log(line[0], line[1]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type none struct{}

func sendSecret(none) (any, error) {
	handle, err := pdk.SecretRef("token")
	if err != nil {
		return nil, err
	}
	response, err := pdk.HTTPSend(abi.HTTPRequest{Method: "GET", URL: "/me", Headers: map[string]string{"Authorization": "Bearer " + handle}})
	return map[string]int{"status": response.Status}, err
}

func lookAtClock(none) (any, error) {
	first, err := pdk.Random(16)
	if err != nil {
		return nil, err
	}
	second, err := pdk.Random(16)
	if err != nil {
		return nil, err
	}
	deadline, err := pdk.Deadline()
	if err != nil {
		return nil, err
	}
	var out struct {
		Random   int  `json:"random"`
		Deadline bool `json:"deadline"`
	}
	if string(first) != string(second) {
		out.Random = len(first)
	}
	out.Deadline = deadline.After(time.Now())
	return out, nil
}

type failing struct {
	How string `json:"how"`
}

func failSomehow(in failing) (any, error) {
	switch in.How {
	case "plain":
		return nil, fmt.Errorf("plain failure")
	case "coded":
		return nil, &abi.Error{Code: "teapot", Message: "I'm a teapot", Retryable: true, RetryAfterMillis: 1500, Detail: json.RawMessage(`{"short":"stout"}`)}
	case "panic":
		panic("oh no")
	case "trap":
		// Beyond all memory that there may be: Go's own checks don't see it.
		var here byte
		return *(*byte)(unsafe.Add(unsafe.Pointer(&here), 0xf0000000)), nil
	}
	return nil, pdk.Errorf(abi.CodeInvalid, "how: want plain, coded, panic, trap or silent")
}
