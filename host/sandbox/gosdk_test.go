package sandbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestSameAsGoSDK runs the portable guest here and under extism/go-sdk, one
// instance each for all cases, and compares outputs, error texts and whether
// the call failed. Cases of which go-sdk makes something we do not want are in
// TestUnlikeGoSDK.
func TestSameAsGoSDK(t *testing.T) {
	config := map[string]string{"city": "São Paulo", "empty": "", "key": strings.Repeat("v", 500)}
	peer := goSDK(t, "portable", config)
	m := load(t, "portable")
	inputs := map[string][]string{
		"copy":       {"", "a", "12345678", "123456789", "\x00\xff", strings.Repeat("0123456789", 600)},
		"upper":      {"", "abc é"},
		"inputs":     {"", "7 bytes", "8 bytes!", "sixteen bytes !!", strings.Repeat("z", 100)},
		"input_free": {"", "some"}, "input_swap": {"", "some"}, "reset_all": {"", "some"},
		"config":     {"city", "empty", "key", "", "absent"},
		"fail_input": {"", "plain", `{"code":"c","message":"m"}`, "\xff\xfe", strings.Repeat("e", 300)},
		"output_big": {"0", "1", "1000", "60000", "100000"},
	}
	for _, export := range []string{"nothing", "fail_text", "fail_json", "fail_silent", "zero_with_error",
		"error_cleared", "error_inside_block", "error_outside", "error_freed", "output_outside", "output_empty",
		"output_zero", "output_part", "output_freed", "output_twice", "output_where", "lengths", "words",
		"errors", "fresh_is_zero", "many_blocks", "variables", "http_before", "count"} {
		inputs[export] = []string{""}
	}
	if len(inputs) < 30 {
		t.Fatalf("only %d exports compared", len(inputs))
	}
	for export, list := range inputs {
		for _, input := range list {
			code, want, wantErr := peer.Call(export, []byte(input))
			got, err := m.Call(context.Background(), Call{Export: export, Input: []byte(input), Limits: DefaultLimits(),
				Host: &recorder{config: config}})
			name := fmt.Sprintf("%s(%.20q)", export, input)
			if failed := code != 0 || wantErr != nil; failed != (err != nil) {
				t.Errorf("%s: error %v, go-sdk has code %d, %v", name, err, code, wantErr)
				continue
			}
			if err != nil {
				e := kindOf(t, err)
				if e.Kind != KindGuest {
					t.Errorf("%s: kind %s, want guest", name, e.Kind)
				}
				if wantErr != nil && !strings.HasPrefix(wantErr.Error(), "{") &&
					e.Err.Message != strings.ToValidUTF8(wantErr.Error(), "\uFFFD") {
					t.Errorf("%s: message %.80q, go-sdk has %.80q", name, e.Err.Message, wantErr)
				}
				continue
			}
			if string(got.Output) != string(want) {
				t.Errorf("%s: output %.80q, go-sdk has %.80q", name, got.Output, want)
			}
		}
	}
}

// TestSameTraps compares calls after which the instance is not used again.
func TestSameTraps(t *testing.T) {
	for _, export := range []string{"trap", "trap_with_error", "divide", "outside_memory", "load_past", "store_past",
		"variables_full", "http", "http_many"} {
		peer := goSDK(t, "portable", nil)
		code, _, wantErr := peer.Call(export, nil)
		_, err := call(load(t, "portable"), export, "")
		if wantErr == nil || err == nil {
			t.Errorf("%s: error %v; go-sdk has code %d, %v", export, err, code, wantErr)
			continue
		}
		// The reason that wazero gives stands in both texts.
		for _, reason := range []string{"unreachable", "integer divide by zero", "out of bounds memory access"} {
			if strings.Contains(wantErr.Error(), reason) && !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %q lacks %q", export, err, reason)
			}
		}
	}
}

// TestUnlikeGoSDK states the differences that are meant, both sides of each.
func TestUnlikeGoSDK(t *testing.T) {
	t.Run("the log level is never off while a host listens", func(t *testing.T) {
		_, output, err := goSDK(t, "portable", nil).Call("log_level", nil)
		if string(output) != "2147483647 " {
			t.Errorf("go-sdk: %q, %v", output, err)
		}
		got, err := m1(t).Call(context.Background(), Call{Export: "log_level", Limits: DefaultLimits(), Host: &recorder{}})
		if string(got.Output) != "1 " {
			t.Errorf("here: %q, %v", got.Output, err)
		}
	})
	t.Run("a silent code is an error", func(t *testing.T) {
		if code, _, err := goSDK(t, "portable", nil).Call("fail_silent", nil); code != 7 || err != nil {
			t.Errorf("go-sdk: %d, %v", code, err)
		}
		if _, err := call(m1(t), "fail_silent", ""); err == nil || !strings.Contains(err.Error(), "code 7") {
			t.Errorf("here: %v", err)
		}
	})
	t.Run("variables end with the call", func(t *testing.T) {
		m := m1(t)
		for range 2 {
			got, err := call(m, "variables", "")
			if string(got.Output) != "0 5 0 1 " {
				t.Errorf("%q, %v", got.Output, err)
			}
		}
	})
}

func m1(t *testing.T) *Module { return load(t, "portable") }
