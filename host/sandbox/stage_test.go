package sandbox

import (
	"context"
	"errors"
	"testing"
)

// TestStages: a module that is not taken says at which stage.
func TestStages(t *testing.T) {
	box := open(t, Config{})
	header := "\x00asm\x01\x00\x00\x00"
	for stage, wasm := range map[string][]byte{
		StageParse:  []byte("no module"),
		StageVerify: []byte(header + "\x01\x04\x01\x60\x00\x00" + "\x02\x09\x01\x03env\x01f\x00\x00"), // imports env.f
		StageStart: []byte(header + "\x01\x08\x02\x60\x00\x00\x60\x00\x01\x7f" + "\x03\x03\x02\x00\x01" + // a start function, which traps, and f
			"\x07\x05\x01\x01f\x00\x01" + "\x08\x01\x00" + "\x0a\x0a\x02\x03\x00\x00\x0b\x04\x00\x41\x00\x0b"),
	} {
		_, err := box.Compile(context.Background(), wasm, Options{Memory: mib})
		var e *Error
		if !errors.As(err, &e) || e.Stage != stage {
			t.Errorf("%s: %v at stage %q", stage, err, e.Stage)
		}
	}
}
