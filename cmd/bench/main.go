// Command bench measures the figures that the README names: the built binary
// with its default settings, data on a real disk, each figure beside a peer
// or a bound in the same run, alternating, medians of several rounds. It
// prints a table and writes build/bench.json.
//
//	go run ./cmd/bench [-rounds 5] [-seconds 3] [-only name,name]
//
// With PEERS=1 in the environment it installs Node-RED and Benthos too, and
// measures them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Row is one figure, as build/bench.json holds it.
type Row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Value     float64 `json:"value"`
	Peer      string  `json:"peer,omitempty"`
	PeerValue float64 `json:"peer_value,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"`
	Goal      string  `json:"goal,omitempty"`
	Met       bool    `json:"met"`
}

// settings are the command's flags.
type settings struct {
	rounds  int
	seconds time.Duration
	only    []string
}

// wants says whether a figure was asked for or, for a name that ends in a dot,
// any that begins so.
func (s settings) wants(name string) bool {
	return len(s.only) == 0 || slices.ContainsFunc(s.only, func(prefix string) bool {
		prefix = strings.TrimSpace(prefix)
		return strings.HasPrefix(name, prefix) || strings.HasSuffix(name, ".") && strings.HasPrefix(prefix, name)
	})
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "peer" { // this program as bare Fiber
		fmt.Fprintln(os.Stderr, serveFiber(os.Args[2]))
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "busy" { // this program as a busy neighbour
		busy()
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var s settings
	var seconds float64
	var only string
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each measurement; the median counts")
	flag.Float64Var(&seconds, "seconds", 3, "length of one round")
	flag.StringVar(&only, "only", "", "measure only the figures that begin so, separated by commas")
	flag.Parse()
	s.seconds = time.Duration(seconds * float64(time.Second))
	if only != "" {
		s.only = strings.Split(only, ",")
	}
	dir, err := realDisk("build/bench")
	if err != nil {
		return err
	}
	var rows []Row
	for _, measure := range []func(settings, string) ([]Row, error){calls, authors, fuelOverhead, firstCalls, manyCalls, isolation, engineTime, storeAppend, security, connector, installation, subscriptions, conversations, roundtrip} {
		more, err := measure(s, dir)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if len(rows) == 0 {
		return fmt.Errorf("-only %s names no figure", only)
	}
	return report(rows)
}

// report prints the table and writes the file.
func report(rows []Row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tvalue\tunit\tpeer\tpeer value\tratio\tgoal\tmet")
	for _, r := range rows {
		met := "no"
		if r.Met {
			met = "yes"
		}
		if r.Goal == "" {
			met = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, number(r.Value), r.Unit, r.Peer, number(r.PeerValue), number(r.Ratio), r.Goal, met)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile("build/bench.json", append(data, '\n'), 0o644)
}

// number prints three significant digits; nothing for a figure that is not
// there.
func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// median returns the middle of values.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
