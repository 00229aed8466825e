package project

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/pdk"
	"github.com/trama-run/trama/pdk/abi"
)

func (p program) newCommand() *cobra.Command {
	var language, kind, dir string
	var languages, kinds []string
	for _, l := range author.Languages() {
		languages = append(languages, l.Name)
	}
	for _, k := range author.Kinds() {
		kinds = append(kinds, string(k))
	}
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a plugin of your own",
		Long: `Write the project of a new plugin: a manifest, code that works, cases that test
it, and the PDK of its language, so that it builds anywhere. NAME becomes the
prefix of its node types. The directory is made; one that is there must be empty.`,
		Example: "  trama plugin new --lang go acme && cd acme && trama plugin build && trama plugin test",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if language == "" {
				return cli.Usage("--lang is missing: want " + strings.Join(languages, ", "))
			}
			return p.newPlugin(author.Project{Name: args[0], Language: language, Kind: abi.Kind(kind), Dir: dir})
		},
	}
	c.Flags().StringVar(&language, "lang", "", "`language` to write it in: "+strings.Join(languages, ", "))
	c.Flags().StringVar(&kind, "kind", string(abi.KindConnector), "`kind` of plugin: "+strings.Join(kinds, ", "))
	c.Flags().StringVar(&dir, "dir", "", "`directory` of the project (default: NAME)")
	return c
}

// newProject is what "plugin new --json" prints.
type newProject struct {
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Kind     string   `json:"kind"`
	Dir      string   `json:"dir"`
	Files    []string `json:"files"`
	Needs    string   `json:"needs"` // what must be there to build it
	Next     []string `json:"next"`
}

func (p program) newPlugin(project author.Project) error {
	files, err := author.New(pdk.Files, project)
	if err != nil {
		return err
	}
	language, err := author.LanguageOf(project.Language)
	if err != nil {
		return err
	}
	made := newProject{
		Name: project.Name, Language: project.Language, Kind: string(cmp.Or(project.Kind, abi.KindConnector)), Dir: project.Dir,
		Files: files, Needs: language.Needs,
	}
	if made.Dir == "" {
		made.Dir = made.Name
	}
	made.Next = []string{"cd " + shell(made.Dir)}
	if language.Setup != "" {
		made.Next = append(made.Next, language.Setup)
	}
	made.Next = append(made.Next, "trama plugin build", "trama plugin test", "trama plugin dev")
	if p.JSON {
		return p.PrintJSON(made)
	}
	fmt.Fprintf(p.Stdout, "%s: a %s in %s, %d files\n", cli.Printable(made.Dir), made.Kind, language.Title, len(files))
	fmt.Fprintf(p.Stdout, "needs: %s\n", made.Needs)
	fmt.Fprintf(p.Stdout, "next:\n")
	for _, line := range made.Next {
		fmt.Fprintf(p.Stdout, "  %s\n", cli.Printable(line))
	}
	return nil
}
