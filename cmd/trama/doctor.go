package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
)

func (p *program) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "List what is held, refused, broken, pending or missing, each with its remedy",
		Long: `List what is held, refused, broken, pending or missing, each with its remedy. Without a
server it looks at the workspace's files alone. The exit code is 1 if there is
anything to list.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.doctor(c.Context()) },
	}
	p.ClientFlags(c)
	return c
}

func (p *program) doctor(ctx context.Context) error {
	findings, err := p.findings(ctx)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(findings)
	} else {
		err = p.printFindings(findings)
	}
	if err == nil && len(findings) > 0 {
		err = cli.ErrReported
	}
	return err
}

// findings asks the server. If none answers, that is a finding too, beside
// those in the workspace's files.
func (p *program) findings(ctx context.Context) ([]admin.Finding, error) {
	c, err := p.Client()
	if problems, ok := errors.AsType[source.Problems](err); ok {
		return refusedFiles(problems), nil // of trama.yaml
	}
	if err != nil {
		return nil, err
	}
	findings := []admin.Finding{}
	_, err = c.Do(ctx, "GET", "/v1/doctor", nil, &findings)
	var absent *cli.NoServerError
	if !errors.As(err, &absent) {
		return findings, err
	}
	findings = append(findings, admin.Finding{
		State: "missing", Object: "server " + absent.Base,
		Reason: "no server answers; this looks at the files of " + absent.Workspace + " alone",
		Remedy: "start one with: " + absent.Remedy(),
	})
	files, err := workspace.ReadFiles(filepath.Clean(p.Workspace))
	if err != nil {
		return nil, err
	}
	_, problems := workspace.Parse(files)
	return append(findings, refusedFiles(problems)...), nil
}

func refusedFiles(problems source.Problems) []admin.Finding {
	var findings []admin.Finding
	for _, problem := range problems {
		findings = append(findings, admin.Finding{State: "refused", Object: problem.Place.String(), Reason: problem.Message, Remedy: problem.Hint})
	}
	return findings
}

// printFindings writes a block for each finding: reasons and remedies are
// sentences, too long for columns.
func (p *program) printFindings(findings []admin.Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintln(p.Stdout, "nothing is held, refused, broken, pending or missing")
		return err
	}
	for _, f := range findings {
		text := fmt.Sprintf("%-8s %s\n         %s\n", f.State, f.Object, f.Reason)
		if f.Remedy != "" {
			text += "         remedy: " + f.Remedy + "\n"
		}
		if _, err := fmt.Fprint(p.Stdout, cli.Printable(text)); err != nil {
			return err
		}
	}
	return nil
}
