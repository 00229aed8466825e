package grant

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// Size is a number of bytes that documents write as "64MiB", "1KiB" or 4096.
type Size int64

// Units of a [Size].
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

// UnmarshalText reads a whole number of bytes with an optional unit.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), Size(1)
	for _, u := range []struct {
		suffix string
		unit   Size
	}{{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.unit
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 32) // times GiB stays within int64
	if err != nil {
		n, err = strconv.ParseUint(number, 10, 62)
		if err != nil || unit != 1 {
			return fmt.Errorf("%q is not a size: want for example 64MiB, 512KiB or 4096", text)
		}
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText writes the largest unit that divides the size.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String gives what MarshalText writes.
func (s Size) String() string {
	switch {
	case s != 0 && s%GiB == 0:
		return fmt.Sprintf("%dGiB", s/GiB)
	case s != 0 && s%MiB == 0:
		return fmt.Sprintf("%dMiB", s/MiB)
	case s != 0 && s%KiB == 0:
		return fmt.Sprintf("%dKiB", s/KiB)
	}
	return strconv.FormatInt(int64(s), 10)
}

// Fuel is an amount of guest work, in the sandbox's units (about one an
// instruction), that documents write as "2G", "500M", "100k" or 100000.
type Fuel int64

// Units of [Fuel].
const (
	KFuel Fuel = 1000
	MFuel Fuel = 1000 * KFuel
	GFuel Fuel = 1000 * MFuel
)

// UnmarshalText reads a whole number of units, with an optional multiple.
func (f *Fuel) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), Fuel(1)
	for _, u := range []struct {
		suffix string
		unit   Fuel
	}{{"k", KFuel}, {"M", MFuel}, {"G", GFuel}} {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = rest, u.unit
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 62)
	if err != nil || Fuel(n) > math.MaxInt64/unit {
		return fmt.Errorf("%q is not an amount of fuel: want for example 2G, 500M, 100k or 100000", text)
	}
	*f = Fuel(n) * unit
	return nil
}

// MarshalText writes the largest multiple that divides the amount.
func (f Fuel) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String gives what MarshalText writes.
func (f Fuel) String() string {
	switch {
	case f != 0 && f%GFuel == 0:
		return fmt.Sprintf("%dG", f/GFuel)
	case f != 0 && f%MFuel == 0:
		return fmt.Sprintf("%dM", f/MFuel)
	case f != 0 && f%KFuel == 0:
		return fmt.Sprintf("%dk", f/KFuel)
	}
	return strconv.FormatInt(int64(f), 10)
}

// Duration is a time span that documents write as "500ms", "5s" or "1m".
type Duration time.Duration

// UnmarshalText reads a Go duration that is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil || span < 0 {
		return fmt.Errorf("%q is not a time span: want for example 500ms, 5s or 1m", text)
	}
	*d = Duration(span)
	return nil
}

// MarshalText writes the span as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String gives what MarshalText writes.
func (d Duration) String() string { return time.Duration(d).String() }

// Limits bound one call of a plugin. Zero in a grant means: not given, so the
// default holds.
type Limits struct {
	Memory   Size     `json:"memory,omitzero"`   // linear memory
	Fuel     Fuel     `json:"fuel,omitzero"`     // guest work
	Time     Duration `json:"time,omitzero"`     // guest time; waiting for egress does not count
	Input    Size     `json:"input,omitzero"`    // of one call
	Output   Size     `json:"output,omitzero"`   // of one call
	HTTP     Size     `json:"http,omitzero"`     // one HTTP body, either way
	Requests int      `json:"requests,omitzero"` // outbound requests of one call
	Log      Size     `json:"log,omitzero"`      // log text of one call
	Blob     Size     `json:"blob,omitzero"`     // all blobs that one call makes
}

// Default holds where neither manifest nor grant says otherwise.
func Default() Limits {
	return Limits{
		Memory: 32 * MiB, Fuel: 2 * GFuel, Time: Duration(5 * time.Second),
		Input: 4 * MiB, Output: 4 * MiB, HTTP: 4 * MiB, Requests: 32, Log: 64 * KiB, Blob: 32 * MiB,
	}
}

// Ceiling is the highest that a grant may give.
func Ceiling() Limits {
	return Limits{
		Memory: 512 * MiB, Fuel: 100 * GFuel, Time: Duration(time.Minute),
		Input: 32 * MiB, Output: 32 * MiB, HTTP: 32 * MiB, Requests: 256, Log: MiB, Blob: GiB,
	}
}

// limit is one field of Limits under its key, so that checks are loops.
type limit struct {
	key   string
	value int64
	text  string // the value as grants.yaml writes it
	set   func(int64)
}

// all lists the fields of l; set writes into l.
func (l *Limits) all() []limit {
	size := func(key string, s *Size) limit {
		return limit{key, int64(*s), s.String(), func(v int64) { *s = Size(v) }}
	}
	return []limit{
		size("memory", &l.Memory),
		{"fuel", int64(l.Fuel), l.Fuel.String(), func(v int64) { l.Fuel = Fuel(v) }},
		{"time", int64(l.Time), l.Time.String(), func(v int64) { l.Time = Duration(v) }},
		size("input", &l.Input), size("output", &l.Output), size("http", &l.HTTP),
		{"requests", int64(l.Requests), strconv.Itoa(l.Requests), func(v int64) { l.Requests = int(v) }},
		size("log", &l.Log), size("blob", &l.Blob),
	}
}

// wanted gives a manifest's limits the shape of a grant's.
func wanted(m abi.Limits) Limits {
	return Limits{
		Memory: Size(m.MemoryBytes), Fuel: Fuel(m.Fuel), Time: Duration(time.Duration(m.TimeMillis) * time.Millisecond),
		Input: Size(m.InputBytes), Output: Size(m.OutputBytes), HTTP: Size(m.HTTPBytes),
		Requests: m.Requests, Log: Size(m.LogBytes), Blob: Size(m.BlobBytes),
	}
}
