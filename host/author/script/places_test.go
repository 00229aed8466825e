package script

import "testing"

// TestPlaces: each line of the mappings can be read alone.
func TestPlaces(t *testing.T) {
	for _, test := range []struct{ mappings, want string }{
		{"", ";"},
		{"AAAA", "AAAA;"},
		{"AAAA,CAAC", "AAAA,CAAC;"},
		{";;AAAA;AACA,IAAI;AACA", ";;AAAA;AACA,IAAI;AAEI;"},
		{"AAAA;ACAA,EADA", "AAAA;ACAA,EADA;"},
		{"A,CAAA", "CAAA;"},           // a part that comes from no file
		{"AAAAA,CAACC", "AAAA,CAAC;"}, // names are left out
		{"AAAAggggB", "AAAA;"},
		{"AAggBAA", "AAggBA;"},
	} {
		got, err := placesOf([]byte(`{"sources":["a.js"],"mappings":"` + test.mappings + `"}`))
		if err != nil || got.Mappings != test.want || len(got.Sources) != 1 {
			t.Errorf("%q gives %q, %v; want %q", test.mappings, got.Mappings, err, test.want)
		}
	}
	if _, err := placesOf([]byte(`{"mappings":"A!"}`)); err == nil {
		t.Error("no digit is taken")
	}
}
