package trials

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

func (p program) testCommand() *cobra.Command {
	var plugins string
	c := &cobra.Command{
		Use:   "test [FILE|DIR]...",
		Short: "Try flows by the cases in files <flow>.test.yaml, without a server",
		Long: `Try flows by the cases in files <flow>.test.yaml, which stand beside the flows,
without a server: the default is all of those of the workspace in this
directory. Nothing outside is reached: requests of plugins are answered by the
case, secrets are nobody's, and waits take no time.

A file is a list of cases:

  - name: greets
    messages:                     # event: {body: ...}, activate: {variables: {...}}
      - receive: hi               # a text, or a message with its fields
      - expect: {messages: ["Welcome! What is your name?"]}
      - receive: Ana
      - advance: 2h               # lets time pass
    user: {tier: gold, tags: [vip]}
    now: 2026-01-05T12:00:00Z
    http:                         # answers to requests, each asked for once
      - request: {method: POST, url: "https://api.example.com/*", body: {ref: A1}}
        response: {status: 201, body: {id: 7}}     # or error: timeout, refused
    calls:                        # or answers in the place of a whole plugin
      - {node: register, output: {id: 7}}
    expect:
      steps: [ask, answer.next]   # all of them: nodes, or nodes with ports
      status: done                # and label, result, error
      answer: {status: 201, body: {id: 7}}
      user: {name: Ana}
      events: [{event: order.paid}]
      alerts: []

A case is played on the channel of contact: CHANNEL/SCHEME:PATH, or of its
trigger, or on the first of the workspace. Messages are as they reach it: where it
has no form for buttons, expect the text with numbers, and receive "1". What would
be a dead letter is not among them. On a channel that is not of the workspace
messages are as the flow sends them.

Of objects, the fields given are compared; lists are compared whole. Special
values are {$match: REGEXP}, {$contains: TEXT}, {$any: true}, {$absent: true}.
A request that is not answered, and an answer that is not asked for, fail a
case, and so does a run that fails and is not expected to.`,
		RunE: func(c *cobra.Command, args []string) error { return p.testFlows(c.Context(), args, plugins) },
	}
	p.pluginsFlag(c, &plugins)
	return c
}

func (p program) pluginsFlag(c *cobra.Command, plugins *string) {
	c.Flags().StringVar(plugins, "plugins", "", "`directory` of plugins to prefer to the workspace's and those of this build")
}

// caseFile is a file of cases, and the workspace that it belongs to.
type caseFile struct {
	path, workspace string
	flows           workspace.Files // without a workspace
}

func (p program) testFlows(ctx context.Context, args []string, plugins string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	files, err := findCases(args)
	if err != nil {
		return err
	}
	results, failed := []trial.Result{}, 0
	var problems source.Problems
	took := func(r trial.Result) {
		results = append(results, r)
		if len(r.Failures) > 0 {
			failed++
		}
		if !p.JSON {
			p.printResult(r)
		}
	}
	for len(files) > 0 { // those of one workspace share its bench
		of := files[0].workspace
		var same []caseFile
		same, files = split(files, of)
		wrong, err := p.testFiles(ctx, same, plugins, took)
		if err != nil {
			return err
		}
		problems = append(problems, wrong...)
	}
	if p.JSON {
		err = p.PrintJSON(results)
	} else {
		_, err = fmt.Fprintf(p.Stdout, "%d passed, %d failed\n", len(results)-failed, failed)
	}
	p.PrintProblems(problems)
	if err == nil && len(problems)+failed > 0 {
		return cli.ErrReported
	}
	return err
}

func split(files []caseFile, workspace string) (same, others []caseFile) {
	for i, f := range files {
		if f.workspace == workspace && (workspace != "" || i == 0) {
			same = append(same, f)
		} else {
			others = append(others, f)
		}
	}
	return same, others
}

// testFiles plays the cases of files that share a workspace. The files of
// either kind that have mistakes are left out: it gives the mistakes.
func (p program) testFiles(ctx context.Context, files []caseFile, plugins string, took func(trial.Result)) (problems source.Problems, err error) {
	var cases []trial.Case
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		found, wrong := trial.Parse(f.path, data, flowBeside(f.path))
		cases, problems = append(cases, found...), append(problems, wrong...)
	}
	if len(cases) == 0 {
		return problems, nil
	}
	b, done, err := p.bench(ctx, tried{workspace: files[0].workspace, files: files[0].flows, plugins: plugins, broken: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	for _, c := range cases {
		r, err := b.Run(ctx, c)
		if err != nil {
			return nil, err
		}
		took(r)
	}
	return append(problems, b.Problems()...), nil
}

func (p program) printResult(r trial.Result) {
	word := "ok  "
	if len(r.Failures) > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(p.Stdout, "%s  %s  %s  (%s)\n", word, r.At.File, cli.Printable(r.Name), cli.Took(r.Took))
	if len(r.Failures) > 0 {
		fmt.Fprintf(p.Stdout, "      %s\n", r.At)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(p.Stdout, "      %s\n", strings.ReplaceAll(cli.Printable(f), "\n", "\n      "))
	}
}

// findCases lists the files of cases that arguments name.
func findCases(args []string) ([]caseFile, error) {
	var files []caseFile
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		paths := []string{arg}
		if info.IsDir() {
			paths = nil
			for _, pattern := range []string{"*", "flows/*"} {
				found, err := filepath.Glob(filepath.Join(arg, pattern+workspace.CasesSuffix))
				if err != nil {
					return nil, err
				}
				paths = append(paths, found...)
			}
			if len(paths) == 0 {
				return nil, fmt.Errorf("%s: there is no case: write them into flows/<flow>%s, beside the flow", arg, workspace.CasesSuffix)
			}
		}
		for _, path := range paths {
			if !workspace.IsCases(path) {
				return nil, fmt.Errorf("%s is no file of cases: those are named <flow>%s", path, workspace.CasesSuffix)
			}
			file, err := withWorkspace(path)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
	}
	slices.SortStableFunc(files, func(a, b caseFile) int { return strings.Compare(a.workspace, b.workspace) })
	return files, nil
}

// withWorkspace finds a file's workspace: the directory above, if the file is
// in "flows". Else the flows in its own directory stand alone.
func withWorkspace(path string) (caseFile, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return caseFile{}, err
	}
	if filepath.Base(dir) == "flows" {
		return caseFile{path: path, workspace: relative(filepath.Dir(dir))}, nil
	}
	flows, err := flowsIn(dir)
	return caseFile{path: path, flows: flows}, err
}

// relative gives a directory as people would name it.
func relative(dir string) string {
	if here, err := os.Getwd(); err == nil {
		if name, err := filepath.Rel(here, dir); err == nil && !strings.HasPrefix(name, "..") {
			return name
		}
	}
	return dir
}

// flowsIn reads the flow documents of a directory that is no workspace's.
func flowsIn(dir string) (workspace.Files, error) {
	files := workspace.Files{}
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			if workspace.IsCases(path) || !isFlow(data) {
				continue
			}
			files["flows/"+filepath.Base(path)] = data
		}
	}
	return files, nil
}

// isFlow says whether a document begins as those of flows.
func isFlow(data []byte) bool {
	var head struct {
		Schema source.Value `json:"schema"`
		Nodes  source.Value `json:"nodes"`
	}
	source.Decode("", data, &head) // what is wrong with it is said where it is read
	return !head.Schema.IsZero() && !head.Nodes.IsZero()
}

// flowBeside gives the id of the flow that a file of cases stands beside; ""
// if there is none that can be read.
func flowBeside(path string) string {
	stem := strings.TrimSuffix(path, workspace.CasesSuffix)
	for _, extension := range []string{".yaml", ".yml", ".json"} {
		data, err := os.ReadFile(stem + extension)
		if err != nil {
			continue
		}
		if f, err := flow.Parse(stem+extension, data); err == nil {
			return f.ID
		}
		return filepath.Base(stem)
	}
	return ""
}
