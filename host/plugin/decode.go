package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// decodeManifest reads a manifest of this version of the contract. Fields that
// it does not know and values of the wrong type are [Faults], all of them.
func decodeManifest(data []byte) (abi.Manifest, error) {
	value, err := decodeJSON(data)
	if err != nil {
		return abi.Manifest{}, fmt.Errorf("manifest is not JSON: %w", err)
	}
	if err := checkVersion(value); err != nil {
		return abi.Manifest{}, err
	}
	var faults Faults
	faults.compare(nil, value, reflect.TypeFor[abi.Manifest]())
	if len(faults) > 0 {
		return abi.Manifest{}, faults
	}
	var m abi.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return abi.Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

// decodeJSON reads one value, with its numbers as they are written. An error
// has its place.
func decodeJSON(data []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err = decoder.Decode(&value); err == nil {
		at := decoder.InputOffset()
		if _, err := decoder.Token(); err != io.EOF {
			return nil, fmt.Errorf("%s: there is more behind its end", placeOf(data, at))
		}
		return value, nil
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("it is empty")
	}
	at := int64(len(data))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	}
	return nil, fmt.Errorf("%s: %w", placeOf(data, at), err)
}

func placeOf(data []byte, offset int64) string {
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	return fmt.Sprintf("line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n')-1)
}

// checkVersion comes before all else: in another version of the contract, other
// fields may be right.
func checkVersion(value any) error {
	fields, ok := value.(map[string]any)
	if !ok {
		return Faults{{Text: "it is " + kindOf(value) + "; want an object"}}
	}
	asked, ok := fields["abi"]
	if !ok {
		return Faults{{Path: []string{"abi"}, Text: fmt.Sprintf("it is missing; want the version of the contract that the plugin was written for, which is %d in this host", abi.Version)}}
	}
	n, ok := asked.(json.Number)
	if !ok {
		return Faults{{Path: []string{"abi"}, Text: fmt.Sprintf("it is %s; want the number %d", kindOf(asked), abi.Version)}}
	}
	if n.String() != strconv.Itoa(abi.Version) {
		return fmt.Errorf("plugin wants abi %s, host has abi %d: build it with a PDK of this version", n, abi.Version)
	}
	return nil
}

// compare holds a value against the type that it is to be read into. JSON's
// null and what stays raw fit everywhere.
func (fs *Faults) compare(path []string, value any, want reflect.Type) {
	if value == nil || want == reflect.TypeFor[json.RawMessage]() {
		return
	}
	fail := func(format string, args ...any) {
		*fs = append(*fs, Fault{slices.Clone(path), fmt.Sprintf(format, args...)})
	}
	switch want.Kind() {
	case reflect.Pointer:
		fs.compare(path, value, want.Elem())
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			fail("it is %s; want an object", kindOf(value))
			return
		}
		known := fieldsOf(want)
		for _, name := range slices.Sorted(maps.Keys(object)) {
			at := append(path, name)
			if field, ok := known[name]; ok {
				fs.compare(at, object[name], field)
				continue
			}
			*fs = append(*fs, Fault{slices.Clone(at), "unknown field; there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")})
		}
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			fail("it is %s; want an object", kindOf(value))
			return
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			fs.compare(append(path, name), object[name], want.Elem())
		}
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			fail("it is %s; want a list", kindOf(value))
			return
		}
		for i, item := range list {
			fs.compare(append(path, strconv.Itoa(i)), item, want.Elem())
		}
	case reflect.String:
		if _, ok := value.(string); !ok {
			fail("it is %s; want a text", kindOf(value))
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			fail("it is %s; want true or false", kindOf(value))
		}
	case reflect.Int, reflect.Int64:
		n, ok := value.(json.Number)
		if _, err := strconv.ParseInt(n.String(), 10, want.Bits()); !ok || err != nil {
			fail("it is %s; want a whole number", kindOf(value))
		}
	}
}

// fieldsOf gives the fields of a wire type by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	return fields
}

// kindOf names what a JSON value is.
func kindOf(value any) string {
	switch value := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case json.Number:
		return "the number " + value.String()
	}
	return "null"
}
