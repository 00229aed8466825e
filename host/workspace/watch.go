package workspace

import (
	"fmt"
	"net/url"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// CallLog are the settings of the log of calls in and out.
type CallLog struct {
	Off   bool       `json:"off,omitempty"`
	Days  int        `json:"days,omitempty"`  // 0: two weeks
	Bytes grant.Size `json:"bytes,omitempty"` // of all that is kept; 0: 512MiB
	// Bodies is whether what requests and answers say is kept, beside their
	// headers; nil: it is.
	Bodies *bool `json:"bodies,omitempty"`
}

// Otel says where traces go.
type Otel struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP; "": none.
	Endpoint string `json:"endpoint,omitempty"`
	// Headers are sent to it: the name of a secret for each header.
	Headers map[string]string `json:"headers,omitempty"`
	// Share is how many of the traces that begin here are kept; 0: all.
	Share float64 `json:"share,omitempty"`
}

// minCallLog is less than what a call log needs to be of any use.
const minCallLog = 1 << 20

// checkWatching says what is wrong with the settings of call log and traces.
func (s *Settings) checkWatching() (problems source.Problems) {
	wrong := func(message, hint string) {
		problems = append(problems, source.Problem{Place: s.At, Message: message, Hint: hint})
	}
	if s.CallLog.Days < 0 || s.CallLog.Days > 3650 {
		wrong(fmt.Sprintf("call_log: days: %d is not from 1 to 3650", s.CallLog.Days), "call_log: {days: 14}; to keep no calls: call_log: {off: true}")
	}
	if s.CallLog.Bytes != 0 && s.CallLog.Bytes < minCallLog {
		wrong(fmt.Sprintf("call_log: bytes: %s is too little", s.CallLog.Bytes), "call_log: {bytes: 512MiB}; to keep no calls: call_log: {off: true}")
	}
	if s.Otel.Share < 0 || s.Otel.Share > 1 {
		wrong(fmt.Sprintf("otel: share: %v is not from 0 to 1", s.Otel.Share), "otel: {share: 0.1} keeps one trace in ten")
	}
	if e := s.Otel.Endpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			wrong("otel: endpoint: it is not the URL of a collector", "otel: {endpoint: \"http://127.0.0.1:4318\"}; credentials go into headers, by the name of a secret")
		}
	} else if len(s.Otel.Headers) > 0 || s.Otel.Share != 0 {
		wrong("otel: endpoint is missing", "otel: {endpoint: \"http://127.0.0.1:4318\"}")
	}
	return problems
}
