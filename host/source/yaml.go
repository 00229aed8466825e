package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// YAML writes a JSON text as YAML for people, with the fields in their order.
// [Decode] reads it as the same.
func YAML(data []byte) ([]byte, error) {
	var out bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	y := writer{out: &out, from: decoder}
	err := y.value(0, false)
	return out.Bytes(), err
}

// writer writes one value after the other.
type writer struct {
	out  *bytes.Buffer
	from *json.Decoder
}

// value writes the next value, which begins a line, or stands behind a key or
// a dash; then inner lines are indented.
func (y writer) value(indent int, behind bool) error {
	token, err := y.from.Token()
	if err != nil {
		return err
	}
	delimiter, is := token.(json.Delim)
	if !is {
		text, err := scalarText(token)
		fmt.Fprintf(y.out, "%s\n", text)
		return err
	}
	if !y.from.More() {
		end, err := y.from.Token()
		fmt.Fprintf(y.out, "%s%s\n", delimiter, end)
		return err
	}
	for first := true; y.from.More(); first = false {
		if !first || !behind {
			y.out.WriteString(strings.Repeat(" ", indent))
		}
		if delimiter == '[' {
			y.out.WriteString("- ")
			if err := y.value(indent+2, true); err != nil {
				return err
			}
			continue
		}
		key, err := y.from.Token()
		if err != nil {
			return err
		}
		name, err := scalarText(key)
		if err != nil {
			return err
		}
		y.out.WriteString(name + ":")
		if err := y.field(indent); err != nil {
			return err
		}
	}
	_, err = y.from.Token()
	return err
}

// field writes the value of a key: a scalar and what is empty behind it, all
// else below it.
func (y writer) field(indent int) error {
	before := y.out.Len()
	y.out.WriteString("\n")
	if err := y.value(indent+2, false); err != nil {
		return err
	}
	if y.out.Bytes()[before+1] != ' ' { // a scalar, or empty
		y.out.Bytes()[before] = ' '
	}
	return nil
}

var plainText = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_.\[\]/$-]*( [A-Za-z0-9_.\[\]/-]+)*$`)

// taken are words that YAML reads as something else than text.
var taken = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

func scalarText(token json.Token) (string, error) {
	if text, ok := token.(string); ok && plainText.MatchString(text) && !slices.Contains(taken, strings.ToLower(text)) {
		return text, nil
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(token)
	return escaped(strings.TrimSpace(out.String())), err
}

// escaped spells out what JSON has in its texts and YAML has not, or reads as
// the end of a line.
func escaped(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r > '~' && r <= 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, "\\u%04x", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
