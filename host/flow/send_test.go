package flow_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// TestMessageFields: what may be written is what there is to send, by the
// same names.
func TestMessageFields(t *testing.T) {
	// The fields that only messages from contacts have.
	inbound := []string{"id", "payload", "order", "referral", "raw"}
	want := fieldsOf(reflect.TypeFor[abi.Message](), "")
	want = slices.DeleteFunc(want, func(path string) bool {
		name, _, _ := strings.Cut(path, ".")
		return slices.Contains(inbound, path) || slices.Contains(inbound, name) || strings.HasSuffix(path, "media.sha256") ||
			strings.HasSuffix(path, "media.size") || strings.Contains(path, "media.error") || strings.Contains(path, "media.blob.")
	})
	got := fieldsOf(reflect.TypeFor[flow.SendMessage](), "")
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 60 || !slices.Equal(got, want) {
		t.Errorf("fields\n%q\nof a message\n%q", got, want)
	}
}

// fieldsOf lists the paths of a struct's fields by their JSON names.
func fieldsOf(t reflect.Type, under string) (paths []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		paths = append(paths, under+name)
		inner := f.Type
		if strings.HasPrefix(inner.Name(), "Part[") {
			value, _ := inner.FieldByName("Value")
			inner = value.Type
		}
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[source.Value]() {
			paths = append(paths, fieldsOf(inner, under+name+".")...)
		}
	}
	return paths
}

// TestEveryMessageKindHasADocument: the schema and the checks take each kind.
func TestEveryMessageKindHasADocument(t *testing.T) {
	missing := abi.MessageKinds()
	for _, n := range parse(t, "messages").Nodes {
		config, _ := n.Config()
		fields, err := config.(*flow.SendMessage).Expand(map[string]any{"input": map[string]any{
			"id": "1", "lon": int64(1), "name": "Ana",
			"media": map[string]any{"kind": "image", "id": "1"},
		}})
		if err != nil {
			t.Errorf("node %q: %v", n.ID, err)
			continue
		}
		kind, _ := fields["type"].(string)
		if file, ok := fields["media"].(map[string]any); ok && kind == "media" {
			kind, _ = file["kind"].(string)
		}
		if !slices.Contains(abi.MessageKinds(), kind) {
			t.Errorf("node %q: %q is no kind of message", n.ID, kind)
		}
		missing = slices.DeleteFunc(missing, func(k string) bool { return k == kind })
	}
	if len(missing) > 0 {
		t.Errorf("no document for the kinds %q", missing)
	}
}

// TestExpandLeavesValuesAlone: the kind of a file is written into a copy.
func TestExpandLeavesValuesAlone(t *testing.T) {
	n := parse(t, "messages").Nodes[1]
	n.With = source.Value{}
	if err := json.Unmarshal([]byte(`{"type": "video", "media": "{{ input.media }}"}`), &n.With); err != nil {
		t.Fatal(err)
	}
	config, problems := n.Config()
	if problems != nil {
		t.Fatal(problems)
	}
	media := map[string]any{"kind": "image", "id": "1"}
	fields, err := config.(*flow.SendMessage).Expand(map[string]any{"input": map[string]any{"media": media}})
	if err != nil || media["kind"] != "image" || fields["media"].(map[string]any)["kind"] != "video" {
		t.Errorf("got %v, %v; input %v", fields, err, media)
	}
}

// TestExpandTogether: one compiled message serves many runs; the race
// detector sees it if they share what they write to.
func TestExpandTogether(t *testing.T) {
	n := parse(t, "messages").Nodes[0]
	n.With = source.Value{}
	if err := json.Unmarshal([]byte(`{"type": "image", "media": {"id": "1"}}`), &n.With); err != nil {
		t.Fatal(err)
	}
	config, problems := n.Config()
	if problems != nil {
		t.Fatal(problems)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if fields, err := config.(*flow.SendMessage).Expand(nil); err != nil || fields["type"] != "media" {
				t.Errorf("got %v, %v", fields, err)
			}
		})
	}
	group.Wait()
}
