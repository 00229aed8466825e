package main

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/trama-run/trama/pdk/abi"
)

// graphError is an error of the Graph API, in an answer or in a webhook
// (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes).
type graphError struct {
	Code    id     `json:"code"`
	Subcode id     `json:"error_subcode,omitempty"`
	Title   string `json:"title,omitempty"`
	Message string `json:"message,omitempty"`
	Type    string `json:"type,omitempty"`
	Data    struct {
		Details string `json:"details,omitempty"`
	} `json:"error_data,omitzero"`
	Trace string `json:"fbtrace_id,omitempty"`
}

// retryable says whether the vendor asks to try again later.
func (e graphError) retryable() bool {
	return slices.Contains([]id{
		"2",      // service temporarily down
		"4",      // the app's rate
		"80007",  // the account's rate
		"130429", // the number's throughput
		"131016", // service unavailable
		"131048", // the number's rate, for spam
		pairRate,
		"133016", // registration attempts
		"131053", // upload of media
	}, e.Code)
}

// pairRate: too many messages to one user; one in six seconds is taken.
const (
	pairRate       = "131056"
	pairRateMillis = 6000
)

// text is the most precise sentence that the error has.
func (e graphError) text() string {
	return "(" + string(e.Code) + ") " + cmp.Or(e.Data.Details, e.Message, e.Title, "no message")
}

// abi gives the error with the code "whatsapp_<number>".
func (e graphError) abi() abi.Error {
	detail, _ := json.Marshal(e) // numbers and texts: can't fail
	failure := abi.Error{
		Code:      "whatsapp_" + string(e.Code),
		Message:   "whatsapp: " + e.text(),
		Retryable: e.retryable(),
		Detail:    detail,
	}
	if e.Code == pairRate {
		failure.RetryAfterMillis = pairRateMillis
	}
	return failure
}
