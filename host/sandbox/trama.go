package sandbox

import (
	"encoding/json"
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
)

// tramaFunctions are the functions of Trama's own namespace: the sandbox
// carries a block to the host and the reply back, and knows of their meaning
// only that one of them sends a request.
func tramaFunctions() []hostFunction {
	all := []hostFunction{
		{abi.BlockRead, takes(i64, i32).gives(), (*instance).blockRead, false},
		{abi.BlockWrite, takes(i32, i32).gives(i64), (*instance).blockWrite, false},
	}
	for _, name := range abi.HostFunctions() {
		all = append(all, hostFunction{name, takes(i64).gives(i64),
			func(in *instance, stack []uint64) { stack[0] = in.give(in.hostFunction(name, stack[0])) }, true})
	}
	return all
}

// hostFunction gives the reply to a request. A refusal is a reply too.
func (in *instance) hostFunction(name string, block uint64) []byte {
	most := int64(maxBlock)
	if name == abi.HostHTTPSend {
		most += 2 * in.limits.HTTPBody // as base64, or with escapes
	}
	if n := int64(in.arena.length(block)); n > most {
		in.arena.free(block)
		return in.refusal(&abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("%s: the request has %s, over the limit of %s", name, size(n), size(most))})
	}
	request := in.take(block)
	if in.host == nil {
		return in.refusal(&abi.Error{Code: abi.CodeDenied, Message: name + ": this call may reach nothing outside"})
	}
	if name == abi.HostHTTPSend {
		if err := in.countRequest(); err != nil {
			return in.refusal(err.Err)
		}
	}
	// Waiting for another system is not the guest's time. All else that the
	// host does for it is.
	waits := name == abi.HostHTTPSend
	if waits {
		in.clock.pause()
	}
	reply, err := in.host.Function(in.clock.caller, name, request)
	if waits {
		in.clock.resume()
	}
	if err != nil {
		in.stop(hostError(name, err))
	}
	if len(reply) == 0 {
		in.stop(hostError(name, fmt.Errorf("the host gave no reply")))
	}
	return reply
}

// refusal is the reply that carries an error.
func (in *instance) refusal(refused *abi.Error) []byte {
	reply, err := json.Marshal(abi.Reply{Error: refused})
	if err != nil {
		in.stop(hostError("refusal", err))
	}
	return reply
}

// countRequest counts one outbound request, however it is sent.
func (in *instance) countRequest() *Error {
	in.requests++
	limit := in.limits.Requests
	if in.requests <= limit {
		return nil
	}
	ceiling := CeilingLimits().Requests
	remedy := raise(LimitRequests, fmt.Sprint(min(2*limit, ceiling)))
	if limit >= ceiling {
		remedy = fmt.Sprintf("%d is the highest that a grant may give", ceiling)
	}
	return limitError(LimitRequests, "more than the %d outbound requests that one call may send; %s", limit, remedy)
}
