package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/source"
)

// Exit codes of trama. What each means is in exitCodes.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitDiffers = 3
	ExitAbsent  = 4
	ExitDenied  = 5
	ExitMissing = 6
)

// exitCodes says what each code means, for scripts.
func exitCodes() map[int]string {
	return map[int]string{
		ExitOK:      "what was asked for was done",
		ExitFailed:  "it failed, or (doctor, health, check) something is not as it should be",
		ExitUsage:   "the command line is not one",
		ExitDiffers: "apply --dry-run: something would change",
		ExitAbsent:  "no server answers",
		ExitDenied:  "the server does not take the token, or its role may not do this",
		ExitMissing: "the server has no such thing",
	}
}

// ExitTopic is the help on exit codes.
func ExitTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("trama ends with one of these codes:\n\n")
	codes := exitCodes()
	for code := range len(codes) {
		fmt.Fprintf(&b, "  %d  %s\n", code, codes[code])
	}
	b.WriteString("\nWith --json, what went wrong is one JSON object on stderr: its detail and, where the\nserver said more, the members of its problem (RFC 9457).")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}

// Exit ends a command that has said itself what there is to say, with this exit
// code.
type Exit int

func (e Exit) Error() string { return fmt.Sprint("ends with exit code ", int(e)) }

const (
	// ErrReported ends a command that has said itself what is wrong.
	ErrReported = Exit(ExitFailed)
	// ErrDiffers ends a command that has shown what would change.
	ErrDiffers = Exit(ExitDiffers)
)

// usageError is a mistake in the command line that only the command can find.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// Usage gives the error of a mistake in the command line.
func Usage(text string) error { return usageError{text} }

// deniedError: the server does not take the token.
type deniedError struct{ text string }

func (e deniedError) Error() string { return e.text }

// fail says what is wrong, and gives the exit code of it.
func (p *Program) fail(command *cobra.Command, err error) int {
	_, usage := errors.AsType[usageError](err)
	exit, said := errors.AsType[Exit](err)
	switch {
	case said:
		return int(exit)
	case (usage || !p.began) && p.JSON:
		p.printErrorJSON(fmt.Errorf("%w; see: %s --help", err, command.CommandPath()))
		return ExitUsage
	case usage || !p.began:
		fmt.Fprintf(p.Stderr, "trama: %v\nsee: %s --help\n", err, command.CommandPath())
		return ExitUsage
	}
	problems, many := errors.AsType[source.Problems](err)
	switch {
	case p.JSON:
		p.printErrorJSON(err)
	case many:
		p.PrintProblems(problems)
	default:
		fmt.Fprintf(p.Stderr, "trama: %s\n", Printable(err.Error()))
	}
	return codeOf(err)
}

// codeOf gives the exit code of what went wrong.
func codeOf(err error) int {
	details, ok := errors.AsType[*problem.Details](err)
	if !ok {
		details = &problem.Details{}
	}
	_, absent := errors.AsType[*NoServerError](err)
	_, denied := errors.AsType[deniedError](err)
	switch {
	case absent:
		return ExitAbsent
	case denied || details.Status == http.StatusForbidden:
		return ExitDenied
	case details.Status == http.StatusNotFound:
		return ExitMissing
	}
	return ExitFailed
}

// printErrorJSON prints an error as one JSON object.
func (p *Program) printErrorJSON(err error) {
	object := map[string]any{}
	if details, ok := errors.AsType[*problem.Details](err); ok {
		if json.Unmarshal(details.JSON(), &object) != nil {
			object = map[string]any{}
		}
	}
	if _, said := object["detail"]; !said {
		object["detail"] = err.Error()
	}
	data, _ := json.Marshal(object) // texts and numbers always marshal
	fmt.Fprintf(p.Stderr, "%s\n", data)
}
