package grant

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/pdk/abi"
)

func TestFuel(t *testing.T) {
	for text, want := range map[string]Fuel{
		"2G": 2_000_000_000, "500M": 500_000_000, "100k": 100_000, "12345": 12345, "0": 0, "9223372036854775k": 9223372036854775000,
	} {
		var f Fuel
		if err := f.UnmarshalText([]byte(text)); err != nil || f != want {
			t.Errorf("%s: %d, %v", text, f, err)
		}
	}
	for _, text := range []string{"", "G", "2g", "2 G", "2GB", "2GiB", "-1", "1.5G", "1e9", "10000000000G", "0x10"} {
		f := Fuel(7)
		if err := f.UnmarshalText([]byte(text)); err == nil || f != 7 {
			t.Errorf("%q was taken as %d, %v", text, f, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Fuel(rapid.Int64Range(0, 1<<40).Draw(t, "n"))
		text, _ := want.MarshalText()
		var got Fuel
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%d is written %s and read %d, %v", want, text, got, err)
		}
	})
}

func TestFuelOfAGrant(t *testing.T) {
	document := `{"plugin":"acme","of":"sha256:` + digest + `","limits":{"fuel":"5G"}}`
	var g Grant
	if err := json.Unmarshal([]byte(document), &g); err != nil || g.Limits.Fuel != 5*GFuel {
		t.Fatalf("%+v, %v", g, err)
	}
	for _, test := range []struct {
		asked  int64
		given  Fuel
		status Status
		holds  Fuel
	}{
		{0, 0, Granted, 2 * GFuel},
		{1000, 0, Granted, 1000},
		{0, 5 * GFuel, Granted, 5 * GFuel},
		{5_000_000_000, 0, Pending, 0},
		{5_000_000_000, 3 * GFuel, Granted, 3 * GFuel},
	} {
		m := abi.Manifest{Name: "acme", Limits: abi.Limits{Fuel: test.asked}}
		g.Limits.Fuel = test.given
		if d := Decide(m, Content{Digest: digest}, []Grant{g}); d.Status != test.status || d.Grant.Limits.Fuel != test.holds {
			t.Errorf("asked for %d, given %s: %s, %s (%s)", test.asked, test.given, d.Status, d.Grant.Limits.Fuel, d.Reason)
		}
	}
	g.Limits.Fuel = 101 * GFuel
	if problems := g.Validate(); len(problems) != 1 || problems[0] != "limits: fuel: 101G is above the ceiling of 100G" {
		t.Errorf("above the ceiling: %q", problems)
	}
	wider := g
	g.Limits.Fuel = 5 * GFuel
	if wider.Within(g) || !g.Within(wider) {
		t.Error("more fuel is not wider")
	}
}
