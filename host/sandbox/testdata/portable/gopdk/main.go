// Command gopdk is an Extism plugin as any author would write it, with the PDK
// of the Extism project: portable_test.go builds it and runs it in both hosts.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/extism/go-pdk"
)

//go:wasmexport echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}

//go:wasmexport total
func total() int32 {
	var order struct {
		Items []struct{ Price, Quantity int }
	}
	if err := pdk.InputJSON(&order); err != nil {
		pdk.SetError(fmt.Errorf("not an order: %w", err))
		return 1
	}
	sum := 0
	for _, item := range order.Items {
		sum += item.Price * item.Quantity
	}
	if err := pdk.OutputJSON(map[string]int{"total": sum}); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

//go:wasmexport config
func config() int32 {
	value, ok := pdk.GetConfig(pdk.InputString())
	pdk.OutputString(fmt.Sprintf("%q %t", value, ok))
	return 0
}

//go:wasmexport variables
func variables() int32 {
	before := pdk.GetVar("text") == nil && pdk.GetVarInt("n") == 0
	pdk.SetVar("text", pdk.Input())
	pdk.SetVarInt("n", pdk.GetVarInt("n")+41)
	pdk.SetVarInt("n", pdk.GetVarInt("n")+1)
	pdk.SetVar("gone", []byte("x"))
	pdk.RemoveVar("gone")
	pdk.OutputString(fmt.Sprintf("%t %q %d %t", before, pdk.GetVar("text"), pdk.GetVarInt("n"), pdk.GetVar("gone") == nil))
	return 0
}

// count counts its calls, in a variable of Extism's and in one of its own.
//
//go:wasmexport count
func count() int32 {
	calls++
	pdk.SetVarInt("calls", pdk.GetVarInt("calls")+1)
	pdk.OutputString(fmt.Sprint(pdk.GetVarInt("calls"), calls))
	return 0
}

var calls int

//go:wasmexport logs
func logs() int32 {
	text := pdk.InputString()
	pdk.Log(pdk.LogDebug, "debug "+text)
	pdk.Log(pdk.LogInfo, "info "+text)
	pdk.Log(pdk.LogWarn, "warn "+text)
	pdk.Log(pdk.LogError, "error "+text)
	pdk.OutputString("logged")
	return 0
}

//go:wasmexport trace
func trace() int32 {
	pdk.Log(pdk.LogTrace, "a detail")
	return 0
}

// write uses what a command would.
//
//go:wasmexport write
func write() int32 {
	fmt.Println("to stdout")
	fmt.Fprintln(os.Stderr, "to stderr")
	_, err := os.ReadFile("/etc/hostname")
	pdk.OutputString(fmt.Sprint(os.Args, len(os.Environ()), err))
	return 0
}

// fetch posts: {"url": ..., "body": ...}.
//
//go:wasmexport fetch
func fetch() int32 {
	var in struct{ URL, Body string }
	if err := json.Unmarshal(pdk.Input(), &in); err != nil {
		pdk.SetError(err)
		return 1
	}
	request := pdk.NewHTTPRequest(pdk.MethodPost, in.URL)
	request.SetHeader("X-Token", "t-1")
	request.SetHeader("Content-Type", "text/plain")
	request.SetBody([]byte(in.Body))
	response := request.Send()
	pdk.OutputString(fmt.Sprintf("%d %s %q", response.Status(), response.Headers()["x-reply"], response.Body()))
	return 0
}

//go:wasmexport fail
func fail() int32 {
	pdk.SetErrorString(pdk.InputString())
	return 1
}

//go:wasmexport fail_beside_success
func failBesideSuccess() int32 {
	pdk.OutputString("an output")
	pdk.SetError(errors.New("an error all the same"))
	return 0
}

//go:wasmexport fail_silently
func failSilently() int32 { return 7 }

//go:wasmexport boom
func boom() int32 { panic("boom") }

//go:wasmexport leave
func leave() int32 {
	os.Exit(3)
	return 0
}

func main() {}
