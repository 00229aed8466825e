package plugin

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestUnsafe: the egress is told of what must not be repeated.
func TestUnsafe(t *testing.T) {
	m := abi.Manifest{Operations: []abi.Operation{
		{Name: "look", Effect: abi.EffectPure}, {Name: "pay", Effect: abi.EffectUnsafe}, {Name: "put", Export: "put_it", Effect: abi.EffectUnsafe},
	}}
	for export, want := range map[string]bool{"look": false, "pay": true, "put_it": true, "put": false, abi.FuncRun: false} {
		if got := unsafe(m, export); got != want {
			t.Errorf("%s: %v, want %v", export, got, want)
		}
	}
	if !unsafe(abi.Manifest{Kind: abi.KindLanguage}, abi.FuncRun) {
		t.Error("a script is safe to repeat")
	}
}
