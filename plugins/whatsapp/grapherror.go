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
	Code    id        `json:"code"`
	Subcode id        `json:"error_subcode,omitempty"`
	Title   string    `json:"title,omitempty"`
	Message string    `json:"message,omitempty"`
	Type    string    `json:"type,omitempty"`
	Data    errorData `json:"error_data,omitzero"`
	Trace   string    `json:"fbtrace_id,omitempty"`
}

// errorData is an object with details, or a text that is them.
type errorData struct {
	Details string `json:"details,omitempty"`
}

func (d *errorData) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &d.Details) == nil {
		return nil
	}
	type plain errorData
	return json.Unmarshal(data, (*plain)(d))
}

// class is what an error is about, for those who count or sort them.
type class string

const (
	classRate        class = "rate"        // too much: later
	classTemporary   class = "temporary"   // the service is not well: later
	classToken       class = "token"       // the access token: the operator's
	classPermission  class = "permission"  // what the token may: the operator's
	classAccount     class = "account"     // locked, restricted, not paid: the operator's
	classWindow      class = "window"      // the contact wrote too long ago
	classUnreachable class = "unreachable" // this contact
	classTemplate    class = "template"    // missing, paused or filled wrongly
	classMedia       class = "media"
	classMessage     class = "message" // its form
)

// classes are those of the errors that have one.
var classes = map[id]class{
	"4": classRate, "80007": classRate, "130429": classRate, "131048": classRate, pairRate: classRate, "133016": classRate,
	"1": classTemporary, "2": classTemporary, "131000": classTemporary, "131016": classTemporary, "131057": classTemporary, "133004": classTemporary,
	"0": classToken, "190": classToken,
	"3": classPermission, "10": classPermission, "131005": classPermission,
	"368": classAccount, "131031": classAccount, "131042": classAccount, "131045": classAccount, "130497": classAccount,
	windowClosed: classWindow,
	"131026":     classUnreachable, "131021": classUnreachable, "131049": classUnreachable, "131050": classUnreachable, "130472": classUnreachable,
	"132000": classTemplate, "132001": classTemplate, "132005": classTemplate, "132007": classTemplate, "132012": classTemplate,
	"132015": classTemplate, "132016": classTemplate, "132068": classTemplate, "132069": classTemplate,
	"131052": classMedia, "131053": classMedia,
	"100": classMessage, "131008": classMessage, "131009": classMessage, unsupportedType: classMessage,
}

// Errors that mean the same at other services.
const (
	windowClosed    = "131047"
	unsupportedType = "131051"
)

// retryable says whether the vendor asks to try again later. What may have been
// sent is not among them: a message must not come twice.
func (e graphError) retryable() bool {
	return classes[e.Code] == classRate || slices.Contains([]id{"2", "131016", "131053"}, e.Code)
}

// code is the error's here: whatsapp_<number>, or what other adapters call it
// too.
func (e graphError) code() string {
	switch e.Code {
	case windowClosed:
		return abi.CodeWindowClosed
	case unsupportedType:
		return abi.CodeUnsupported
	}
	return "whatsapp_" + string(e.Code)
}

// pairRate: too many messages to one user; one in six seconds is taken.
const (
	pairRate       = "131056"
	pairRateMillis = 6000
)

// scope says who has to wait: all others of the number, or of the account, too.
func (e graphError) scope() string {
	if classes[e.Code] == classRate && e.Code != pairRate {
		return abi.ScopeChannel
	}
	return ""
}

// text is the most precise sentence that the error has.
func (e graphError) text() string {
	return "(" + string(e.Code) + ") " + cmp.Or(e.Data.Details, e.Message, e.Title, "no message")
}

// abi gives the error for the host.
func (e graphError) abi() abi.Error {
	detail, _ := json.Marshal(struct { // numbers and texts: can't fail
		graphError
		Class class  `json:"class,omitempty"`
		Scope string `json:"scope,omitempty"`
	}{e, classes[e.Code], e.scope()})
	failure := abi.Error{
		Code:      e.code(),
		Message:   "whatsapp: " + e.text(),
		Retryable: e.retryable(),
		Detail:    detail,
	}
	if e.Code == pairRate {
		failure.RetryAfterMillis = pairRateMillis
	}
	return failure
}
