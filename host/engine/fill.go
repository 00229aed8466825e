package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// fill sets what into points to from a JSON value that templates gave. It is
// as a text template is where text is wanted: null is nothing, and what is not
// text is written as text. Elsewhere the type must fit, and fields that
// aren't there are errors. Path is the value's name in errors.
func fill(into, value any, path string) *abi.Error {
	return fillValue(reflect.ValueOf(into).Elem(), value, path)
}

func fillValue(into reflect.Value, value any, path string) *abi.Error {
	if into.Type() == reflect.TypeFor[json.RawMessage]() {
		if value != nil {
			data, err := json.Marshal(value)
			if err != nil {
				return invalid("%s: %v", path, err)
			}
			into.SetBytes(data)
		}
		return nil
	}
	wrong := func(want string) *abi.Error {
		hint := ""
		if value == nil {
			hint = "; give it a default if its value may be missing"
		}
		return invalid("%s: it must be %s, found %s%s", path, want, describe(value), hint)
	}
	switch into.Kind() {
	case reflect.Pointer:
		if value == nil {
			return nil
		}
		into.Set(reflect.New(into.Type().Elem()))
		return fillValue(into.Elem(), value, path)
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return wrong("a mapping")
		}
		fields := fieldsOf(into.Type())
		for _, name := range names(object) {
			i, ok := fields[name]
			if !ok {
				return invalid("%s: it has no field %q; its fields are %s", path, name, strings.Join(names(fields), ", "))
			}
			if err := fillValue(into.Field(i), object[name], path+"."+name); err != nil {
				return err
			}
		}
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok && value != nil {
			return wrong("a list")
		}
		for i, item := range list {
			element := reflect.New(into.Type().Elem()).Elem()
			if err := fillValue(element, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
			into.Set(reflect.Append(into, element))
		}
	case reflect.String:
		text, err := asText(value)
		if err != nil {
			return invalid("%s: %v", path, err)
		}
		into.SetString(text)
	case reflect.Bool:
		b, ok := value.(bool)
		if !ok && value != nil {
			return wrong("true or false")
		}
		into.SetBool(b)
	case reflect.Float64:
		number, ok := asNumber(value)
		if !ok {
			return wrong("a number")
		}
		into.SetFloat(number)
	case reflect.Int64:
		number, ok := asNumber(value)
		if value != nil && (!ok || number != math.Trunc(number) || math.Abs(number) > 1<<53) {
			return wrong("a whole number")
		}
		into.SetInt(int64(number))
	default:
		panic(fmt.Sprintf("engine: fill %s: not supported", into.Type()))
	}
	return nil
}

// fieldsOf gives the indexes of a struct's fields by their JSON names.
func fieldsOf(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	return fields
}

// asText writes a value as expressions in texts are written.
func asText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any, map[string]any:
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(v)
		return strings.TrimSuffix(b.String(), "\n"), err
	}
	return fmt.Sprint(value), nil
}

// asNumber takes numbers, and texts that are one.
func asNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		number, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return number, err == nil
	}
	return 0, false
}

func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	case string:
		return fmt.Sprintf("the text %q", v)
	}
	return fmt.Sprint(value)
}
