// Command gojson is the guest of the Go figures: the small JSON call of json.c
// in standard Go through our PDK, and one that grows its memory.
package main

import pdk "github.com/trama-run/trama/pdk/go"

type order struct {
	Customer string `json:"customer"`
	Items    []struct {
		SKU      string `json:"sku"`
		Price    int    `json:"price"`
		Quantity int    `json:"quantity"`
	} `json:"items"`
}

type sum struct {
	Total int `json:"total"`
	Items int `json:"items"`
}

func add(o order) (sum, error) {
	s := sum{Items: len(o.Items)}
	for _, i := range o.Items {
		s.Total += i.Price * i.Quantity
	}
	return s, nil
}

//go:wasmexport total
func total() int32 { return pdk.Handle(add) }

// kept holds what grow takes, so that the compiler leaves it alone.
var kept []byte

//go:wasmexport grow
func grow() int32 {
	kept = make([]byte, 2<<20)
	return pdk.Handle(add)
}

func main() {}
