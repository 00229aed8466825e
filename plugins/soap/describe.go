package main

import (
	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/soap/typed"
	"github.com/trama-run/trama/plugins/soap/wsdl"
)

// Description is the input of wsdl.
type Description struct {
	WSDL string `json:"wsdl"`
	// Documents are those that it imports, by location.
	Documents map[string]string `json:"documents"`
	// Port and Operation choose; empty: all.
	Port      string `json:"port"`
	Operation string `json:"operation"`
}

// Services is the output of wsdl.
type Services struct {
	Services []Service `json:"services"`
}

// Service is one of a WSDL document.
type Service struct {
	Name  string `json:"name"`
	Ports []Port `json:"ports"`
}

// Port is a service under one address and version of SOAP.
type Port struct {
	Name       string      `json:"name"`
	Address    string      `json:"address"`
	Version    string      `json:"version"`
	Operations []Operation `json:"operations"`
}

// Operation is what a caller must know of one.
type Operation struct {
	Name        string   `json:"name"`
	Style       string   `json:"style"` // "document" or "rpc"
	Action      string   `json:"action"`
	OneWay      bool     `json:"one_way,omitempty"`
	Unsupported string   `json:"unsupported,omitempty"` // why; what follows is then left out
	Notes       []string `json:"notes,omitempty"`
	// InputSchema is of the call's body, OutputSchema of what the answer's
	// body has under OutputName.
	InputSchema  map[string]any `json:"input_schema,omitempty"`
	OutputSchema map[string]any `json:"output_schema,omitempty"`
	OutputName   string         `json:"output_name,omitempty"`
	Example      any            `json:"example,omitempty"`
	With         *With          `json:"with,omitempty"`
}

// With is the input of call, all but its body.
type With struct {
	Version   string            `json:"version"`
	Action    string            `json:"action"`
	Operation string            `json:"operation,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Types     *typed.Descriptor `json:"types"`
}

// read gives what a WSDL document says.
func read(in Description) (Services, error) {
	found, err := wsdl.Read(in.WSDL, in.Documents)
	if err != nil {
		return Services{}, err
	}
	services, chosen := Services{Services: []Service{}}, 0
	for _, s := range found {
		service := Service{Name: s.Name, Ports: []Port{}}
		for _, p := range s.Ports {
			if in.Port != "" && in.Port != p.Name {
				continue
			}
			port := Port{Name: p.Name, Address: p.Address, Version: p.Version, Operations: []Operation{}}
			for _, o := range p.Operations {
				if in.Operation == "" || in.Operation == o.Name {
					port.Operations = append(port.Operations, operation(p, o))
					chosen++
				}
			}
			service.Ports = append(service.Ports, port)
		}
		services.Services = append(services.Services, service)
	}
	if chosen == 0 {
		return Services{}, pdk.Errorf(abi.CodeInvalid, "no SOAP port of the document has an operation %q; leave operation and port out to see all", in.Operation)
	}
	return services, nil
}

func operation(p wsdl.Port, o wsdl.Operation) Operation {
	described := Operation{Name: o.Name, Style: o.Style, Action: o.Action, OneWay: o.OneWay, Unsupported: o.Unsupported, Notes: o.Notes}
	if o.Unsupported != "" {
		return described
	}
	types := o.Types
	described.InputSchema, described.Example = types.Schema(types.Input, true), types.Example(types.Input)
	described.With = &With{Version: p.Version, Action: o.Action, Types: &types}
	if types.Input != nil {
		described.With.Operation, described.With.Namespace = types.Input.Name, types.Input.Namespace
	}
	if types.Output != nil {
		described.OutputSchema, described.OutputName = types.Schema(types.Output, false), types.Output.Name
	}
	return described
}
