// Package resttest lets a connector's logic talk to a stub server natively,
// with neither sandbox nor network between them: it plays the host's egress,
// which adds the connection's authentication.
package resttest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Auth is what a connection adds to each request.
type Auth struct {
	Header, Query map[string]string
}

// Send gives a function like pdk.HTTPSend whose requests the stub answers.
func Send(stub http.Handler, auth Auth) func(abi.HTTPRequest) (abi.HTTPResponse, error) {
	return func(in abi.HTTPRequest) (abi.HTTPResponse, error) {
		request, err := http.NewRequest(in.Method, "http://stub.example"+in.URL, strings.NewReader(in.Body))
		if err != nil {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
		}
		for name, value := range in.Headers {
			request.Header.Set(name, value)
		}
		for name, value := range auth.Header {
			request.Header.Set(name, value)
		}
		query := request.URL.Query()
		for name, value := range auth.Query {
			query.Set(name, value)
		}
		request.URL.RawQuery = query.Encode()
		recorder := httptest.NewRecorder()
		stub.ServeHTTP(recorder, request)
		out := abi.HTTPResponse{Status: recorder.Code, Headers: map[string]string{}, Body: recorder.Body.String()}
		if !utf8.ValidString(out.Body) {
			return out, &abi.Error{Code: abi.CodeInvalid, Message: "the stub's answer is not text"}
		}
		for name, values := range recorder.Header() {
			out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
		return out, nil
	}
}
