package plugintest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/trama-run/trama/host/source"
)

// Recorded makes a case of a call, which passes as long as the plugin does what
// it did. c has the call; secrets of the host stand in it as <secret:name>, and
// others as they were: see [Plugin.Record].
func Recorded(c Case, out Outcome) Case {
	if c.InputText != nil && json.Valid([]byte(*c.InputText)) {
		c.Input, c.InputText = valueOf(json.RawMessage(*c.InputText)), nil
	}
	c.HTTP = nil
	for i, x := range out.Requests {
		e := exchangeOf(x)
		if out.Failures[i] != "" {
			e.Response, e.Failure = nil, out.Failures[i]
		}
		c.HTTP = append(c.HTTP, e)
	}
	c.Output, c.OutputText, c.OutputBase64, c.OutputRepeat, c.Error = source.Value{}, nil, nil, nil, nil
	switch {
	case out.Error != nil:
		c.Error = &Failure{Code: out.Error.Code, Message: out.Error.Message, Retryable: &out.Error.Retryable}
		if out.Error.RetryAfterMillis != 0 {
			c.Error.RetryAfterMillis = &out.Error.RetryAfterMillis
		}
	case json.Valid(out.Output):
		c.Output = valueOf(out.Output)
	case utf8.Valid(out.Output):
		text := string(out.Output)
		c.OutputText = &text
	default:
		text := base64.StdEncoding.EncodeToString(out.Output)
		c.OutputBase64 = &text
	}
	if len(out.KV) > 0 || len(c.KV) > 0 {
		c.KVAfter = out.KV
	}
	c.Log = out.Log
	return c
}

// Add writes a case below those of a file, under a name that no other has.
// before is the file's content, which stays as it is.
func Add(file string, before []byte, c Case) ([]byte, error) {
	taken := map[string]bool{}
	if len(bytes.TrimSpace(before)) > 0 {
		var there []Case
		if problems := source.Decode(file, before, &there); len(problems) > 0 {
			return nil, problems
		}
		for _, c := range there {
			taken[c.Name] = true
		}
	}
	name := c.Name
	for i := 2; taken[c.Name]; i++ {
		c.Name = fmt.Sprintf("%s %d", name, i)
	}
	data, err := json.Marshal([]Case{c})
	if err != nil {
		return nil, err
	}
	text, err := source.YAML(data)
	if err != nil {
		return nil, err
	}
	after := bytes.Clone(before)
	if len(after) > 0 && after[len(after)-1] != '\n' {
		after = append(after, '\n')
	}
	after = append(after, text...)
	var all []Case
	if problems := source.Decode(file, after, &all); len(problems) > 0 {
		return nil, fmt.Errorf("%s: the case can't be added below what is there; write that as a list of YAML, one item a \"- \"", file)
	}
	return after, nil
}
