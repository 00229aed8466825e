// Command gopanic panics in every way that a Go plugin may.
package main

import pdk "github.com/trama-run/trama/pdk/go"

//go:noinline
func pick(list []int, i int) int { return list[i] }

// raw is a panic that nothing recovers.
//
//go:wasmexport raw
func raw() int32 {
	panic("oh no")
}

//go:wasmexport index
func index() int32 { return int32(pick([]int{1}, len(pdk.Input()))) }

// handled is a panic within pdk.Handle.
//
//go:wasmexport handled
func handled() int32 {
	return pdk.Handle(func(i int) (int, error) { return pick([]int{1}, i), nil })
}

//go:wasmexport stack
func stack() int32 { return stack() + 1 }

func main() {}
