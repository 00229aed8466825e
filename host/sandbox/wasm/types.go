package wasm

import "strings"

// Value types, as the binary format writes them.
const (
	I32       byte = 0x7f
	I64       byte = 0x7e
	F32       byte = 0x7d
	F64       byte = 0x7c
	V128      byte = 0x7b
	FuncRef   byte = 0x70
	ExternRef byte = 0x6f
)

// TypeName gives "i32" for [I32] and so on; nothing for what is not a value
// type of WebAssembly Core 2.
func TypeName(t byte) string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return ""
}

// Signature is a function's type: one byte, its value type, for each
// parameter and result. So signatures are compared with ==.
type Signature struct{ Params, Results string }

// String writes "(i64, i32) -> i64", or "(i64) -> ()" without a result.
func (s Signature) String() string {
	results := typeNames(s.Results)
	if len(s.Results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + typeNames(s.Params) + ") -> " + results
}

// vectors reports whether one of them is a v128.
func (s Signature) vectors() bool {
	return strings.IndexByte(s.Params, V128) >= 0 || strings.IndexByte(s.Results, V128) >= 0
}

func typeNames(types string) string {
	list := make([]string, len(types))
	for i := range types {
		list[i] = TypeName(types[i])
	}
	return strings.Join(list, ", ")
}
