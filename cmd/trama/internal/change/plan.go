package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/workspace"
)

// PrintPlan prints what would become of a server's objects, each with what
// differs within it; files are those that it was made of.
func PrintPlan(p *cli.Program, changes []catalog.Change, files workspace.Files) error {
	if p.JSON {
		if err := p.PrintJSON(changes); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(p.Stdout, cli.Printable(planText(changes)+caution(changes, files))); err != nil {
		return err
	}
	if len(changes) > 0 {
		return cli.ErrDiffers
	}
	return nil
}

func planText(changes []catalog.Change) string {
	var b strings.Builder
	counts := map[string]int{}
	for _, change := range changes {
		counts[change.Action]++
		fmt.Fprintf(&b, "%s %s", signs(change.Action), change.Object)
		if change.Version > 0 {
			fmt.Fprintf(&b, " v%d", change.Version)
		}
		fmt.Fprintf(&b, "  (%s)", change.Origin)
		if change.Wider {
			b.WriteString("  LETS A PLUGIN REACH MORE")
		}
		if open := opened(change); open != "" {
			b.WriteString("  OPENS TO ANYONE: " + open)
		}
		b.WriteString("\n")
		b.WriteString(within(change))
		for _, a := range change.Access {
			if a.Before == "" {
				fmt.Fprintf(&b, "    who may call %s: %s\n", a.Route, a.After)
			} else {
				fmt.Fprintf(&b, "    who may call %s: %s -> %s\n", a.Route, a.Before, a.After)
			}
		}
	}
	if len(changes) == 0 {
		return "nothing would change\n"
	}
	fmt.Fprintf(&b, "\n%d to create, %d to change, %d to remove: nothing was changed\n", counts["created"], counts["updated"], counts["removed"])
	return b.String()
}

// caution says which files are not there whose objects all go, be they what is
// meant or a directory that is not the whole workspace. The flows are one.
func caution(changes []catalog.Change, files workspace.Files) string {
	of := func(file string) string {
		if strings.HasPrefix(file, "flows/") {
			return "flows/*.yaml"
		}
		return file
	}
	there, gone := map[string]bool{}, map[string]int{}
	for file := range files {
		there[of(file)] = true
	}
	for _, change := range changes {
		if file := of(change.Origin.File); change.Action == "removed" && file != "" && !there[file] {
			gone[file]++
		}
	}
	if len(gone) == 0 {
		return ""
	}
	count, names := 0, slices.Sorted(maps.Keys(gone))
	for _, n := range gone {
		count += n
	}
	return fmt.Sprintf("CAUTION: %d are removed because there is no %s in the directory; give the whole workspace to keep them\n", count, strings.Join(names, ", no "))
}

// within gives what differs within an object, indented: the parts of a flow
// that changed, the fields of what is of one part.
func within(change catalog.Change) string {
	var b strings.Builder
	isFlow := strings.HasPrefix(change.Object, "flow/")
	switch {
	case isFlow && change.Action == "updated":
		WriteDifferences(&b, change.Differences)
		return indented(strings.TrimPrefix(b.String(), "\n"))
	case !isFlow && change.Action != "removed":
		for _, d := range change.Differences {
			for _, f := range d.Fields {
				writeField(&b, f, d.Action == "changed")
			}
		}
	}
	return b.String()
}

// indented moves lines to the right.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}
