package main

import (
	"encoding/json"
	"net/url"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Owner is a user to whom records may belong.
//
// Source: HubSpot, "Owners",
// https://developers.hubspot.com/docs/api-reference/crm-owners-v3/guide
type Owner struct {
	ID        string `json:"id"`
	Email     string `json:"email,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	Archived  bool   `json:"archived"`
}

type owner struct {
	ID        id          `json:"id"`
	Email     string      `json:"email"`
	FirstName string      `json:"firstName"`
	LastName  string      `json:"lastName"`
	UserID    json.Number `json:"userId"`
	Archived  bool        `json:"archived"`
}

// Lacks is of [rest.Complete].
func (o owner) Lacks() string { return o.ID.Lacks() }

func (o owner) plain() Owner {
	return Owner{string(o.ID), o.Email, o.FirstName, o.LastName, o.UserID.String(), o.Archived}
}

// GetOwner is the input of get_owner.
type GetOwner struct {
	ID id `json:"id"`
}

func (h hubspot) getOwner(in GetOwner) (Owner, error) {
	address, err := path("owners", string(in.ID))
	if err != nil {
		return Owner{}, err
	}
	var out owner
	err = h.Into(rest.Call{Path: address}, &out)
	return out.plain(), err
}

// ListOwners is the input of list_owners.
type ListOwners struct {
	Email    string `json:"email"`
	Archived bool   `json:"archived"`
	rest.Bounds
}

// maxOwners is how many owners come at a time.
const maxOwners = 500

func (h hubspot) listOwners(in ListOwners) (rest.Page[Owner], error) {
	query := url.Values{}
	if in.Email != "" {
		query.Set("email", in.Email)
	}
	if in.Archived {
		query.Set("archived", "true")
	}
	return listing(h, rest.Call{Path: "/crm/v3/owners", Query: query}, maxOwners, in.Bounds, owner.plain)
}

// Pipeline is one of an object type.
//
// Source: HubSpot, "Pipelines",
// https://developers.hubspot.com/docs/api-reference/crm-pipelines-v3/guide
type Pipeline struct {
	ID       id      `json:"id"`
	Label    string  `json:"label"`
	Archived bool    `json:"archived"`
	Stages   []Stage `json:"stages"`
}

// Stage is one of a pipeline's, in their order. Metadata tells whether it is
// closed, and of deals how probable.
type Stage struct {
	ID       id                         `json:"id"`
	Label    string                     `json:"label"`
	Archived bool                       `json:"archived"`
	Metadata map[string]json.RawMessage `json:"metadata,omitempty"`
}

// Lacks is of [rest.Complete].
func (p Pipeline) Lacks() string { return p.ID.Lacks() }

// Lacks is of [rest.Complete].
func (s Stage) Lacks() string { return s.ID.Lacks() }

// ListPipelines is the input of list_pipelines.
type ListPipelines struct {
	Object string `json:"object"`
}

// Pipelines is the output of list_pipelines.
type Pipelines struct {
	Items []Pipeline `json:"items"`
}

func (h hubspot) listPipelines(in ListPipelines) (Pipelines, error) {
	address, err := path("pipelines", in.Object)
	if err != nil {
		return Pipelines{}, err
	}
	var got results[Pipeline]
	if err := h.Into(rest.Call{Path: address}, &got); err != nil {
		return Pipelines{}, err
	}
	for i, one := range *got.Results {
		if one.Stages == nil {
			(*got.Results)[i].Stages = []Stage{}
		}
	}
	return Pipelines{*got.Results}, nil
}

// ListStages is the input of list_stages.
type ListStages struct {
	Object   string `json:"object"`
	Pipeline string `json:"pipeline"`
}

// Stages is the output of list_stages.
type Stages struct {
	Items []Stage `json:"items"`
}

func (h hubspot) listStages(in ListStages) (Stages, error) {
	address, err := path("pipelines", in.Object, in.Pipeline, "stages")
	if err != nil {
		return Stages{}, err
	}
	var got results[Stage]
	if err := h.Into(rest.Call{Path: address}, &got); err != nil {
		return Stages{}, err
	}
	return Stages{*got.Results}, nil
}

// CompleteAction is the input of complete_action.
type CompleteAction struct {
	CallbackID   string                     `json:"callback_id"`
	OutputFields map[string]json.RawMessage `json:"output_fields"`
	// State is what becomes of the contact in the workflow: SUCCESS or
	// FAIL_CONTINUE.
	State string `json:"state"`
}

// Completed is the output of complete_action.
type Completed struct {
	CallbackID string `json:"callback_id"`
}

// completeAction lets a workflow go on that waits for a custom action.
//
// Source: HubSpot, "Custom workflow actions", "Asynchronous custom action
// execution",
// https://developers.hubspot.com/docs/api-reference/automation-actions-v4-v4/guide
func (h hubspot) completeAction(in CompleteAction) (Completed, error) {
	address, err := rest.Path("automation", "v4", "actions", "callbacks", in.CallbackID, "complete")
	if err != nil {
		return Completed{}, err
	}
	fields := map[string]any{}
	for name, value := range in.OutputFields {
		text, err := textOf(value)
		if err != nil {
			return Completed{}, pdk.Errorf(abi.CodeInvalid, "output_fields.%s: %v", name, err)
		}
		fields[name] = text
	}
	state := in.State
	if state == "" {
		state = "SUCCESS"
	}
	if state != "SUCCESS" && state != "FAIL_CONTINUE" {
		return Completed{}, pdk.Errorf(abi.CodeInvalid, "state: %q is neither SUCCESS nor FAIL_CONTINUE", state)
	}
	fields["hs_execution_state"] = state
	_, err = h.Do(rest.Call{Method: "POST", Path: address, Body: map[string]any{"outputFields": fields}})
	return Completed{in.CallbackID}, err
}
