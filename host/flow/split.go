package flow

import (
	"github.com/trama-run/trama/host/source"
)

// maxWeight bounds the weight of a way.
const maxWeight = 1_000_000

// Split is "with" of split.
type Split struct {
	Ways   []Way `json:"ways" source:"required" jsonschema_description:"The ways, of which one is taken."`
	Sticky *bool `json:"sticky,omitempty" jsonschema_description:"Whether a contact, or a run without one, takes the same way each time; true if left out. When weights change, only as many contacts change their way as must."`
}

// Way is one way out of a split.
type Way struct {
	At source.Place `json:"-"`

	Port   string  `json:"port" source:"required" jsonschema_description:"Port to take: letters, digits, - and _."`
	Weight float64 `json:"weight" source:"required" jsonschema_description:"Its share: a number, in proportion to the others'. 0: the way is not taken."`
}

// IsSticky says whether a contact takes the same way each time.
func (s *Split) IsSticky() bool { return s.Sticky == nil || *s.Sticky }

func (s *Split) ports() (names []string) {
	for _, w := range s.Ways {
		names = append(names, w.Port)
	}
	return names
}

func (*Split) portsDoc() string { return "The way was drawn." }

func (s *Split) check(n *Node) (problems source.Problems) {
	ways, sum := n.With.Get("ways"), 0.0
	for i, w := range s.Ways {
		problems = append(problems, checkPort(w.At, w.Port, s.ports()[:i], PortError)...)
		if !(w.Weight >= 0 && w.Weight <= maxWeight) {
			problems.Add(ways.Place(index(i), "weight"), "write 0 to 1000000", "%v is not a weight", w.Weight)
		}
		sum += w.Weight
	}
	if ways.IsList() && len(problems) == 0 && sum <= 0 {
		problems.Add(ways.Place(), "add {port: a, weight: 50}", "a split needs a way with a weight over 0")
	}
	return problems
}
