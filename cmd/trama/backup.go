package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/store/backup"
	"github.com/trama-run/trama/host/workspace"
)

func (p *program) backupCommand() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up a running or stopped installation",
		Long: `Write a backup into a new file: the store as it is at one moment, the contents
of plugins that sessions began with, and the vault. Asks the server if one runs,
and opens the data directory of the workspace if none does. The file holds the
vault's key: keep it as you keep the tokens. The workspace's own files and
secrets from the environment are not in it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.backup(c.Context(), args[0], data) },
	}
	p.ClientFlags(c)
	c.Flags().StringVar(&data, "data", "", "data `directory` of a server that does not run (default: ask the server, then that of the workspace)")
	return c
}

func (p *program) restoreCommand() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restore FILE --data DIR",
		Short: "Make a data directory from a backup",
		Long: `Make the data directory DIR, which is absent or empty, from a backup. A server
that is then started on it goes on where the backup was taken: what was waiting
waits, what has become due runs. Messages that were sent after the backup was
taken may be sent again. The admin token is made anew.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.restore(c.Context(), args[0], data) },
	}
	c.Flags().StringVar(&data, "data", "", "`directory` to make, absent or empty")
	if err := c.MarkFlagRequired("data"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

func (p *program) verifyCommand() *cobra.Command {
	var temp string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Restore a backup into a temporary directory and compare",
		Long: `Restore a backup into a temporary directory, back that up again and compare the
two by kind. Marks and traces that end within the next hour are left out.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.verify(c.Context(), args[0], temp) },
	}
	c.Flags().StringVar(&temp, "temp", "", "`directory` for the restored copy (default: the system's)")
	return c
}

func (p *program) backup(ctx context.Context, file, data string) (err error) {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is there already: name a new file", file)
	}
	part, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*.part") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	from, err := p.writeBackup(ctx, data, part)
	if err != nil {
		return err
	}
	// What a server sent may have broken off: the file says so itself.
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return err
	}
	summary, err := backup.Summarize(bufio.NewReader(part), time.Time{})
	if err != nil {
		return fmt.Errorf("what %s gave: %w: see its log", from, err)
	}
	info, err := part.Stat()
	if err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Link(part.Name(), file); err != nil { // unlike a rename, never over another file
		return err
	}
	if err := errors.Join(part.Close(), os.Remove(part.Name()), syncDir(filepath.Dir(file))); err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(map[string]any{"file": file, "bytes": info.Size(), "from": from, "summary": summary})
	}
	entries := int64(0)
	for _, s := range summary.Sums {
		entries += s.Count
	}
	_, err = fmt.Fprintf(p.Stdout, "%s: %d entries, %d bytes, from %s\n", cli.Printable(file), entries, info.Size(), cli.Printable(from))
	return err
}

// writeBackup takes the backup from the data directory that is named, from the
// server, or from the workspace's data directory if no server was named and
// none answers. It returns which.
func (p *program) writeBackup(ctx context.Context, data string, w io.Writer) (from string, err error) {
	if data != "" {
		return data, backup.WriteClosed(ctx, w, data)
	}
	c, err := p.Client()
	if err != nil {
		return "", err
	}
	err = c.Download(ctx, "/v1/backup", w)
	if _, none := errors.AsType[*cli.NoServerError](err); !none || p.NamesServer() {
		return c.Base, err
	}
	settings, err := workspace.ReadSettings(c.Workspace)
	if err != nil {
		return "", err
	}
	return settings.Data, backup.WriteClosed(ctx, w, settings.Data)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (p *program) restore(ctx context.Context, file, data string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := backup.Restore(ctx, f, data); err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(map[string]any{"data": data})
	}
	_, err = fmt.Fprintf(p.Stdout, "%s is restored: start a server with --data %s\n", cli.Printable(data), cli.Printable(data))
	return err
}

func (p *program) verify(ctx context.Context, file, temp string) error {
	report, err := backup.Verify(ctx, file, temp)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(report)
	} else {
		t := cli.NewTable(p.Stdout, "WHAT", "KIND", "ENTRIES", "BYTES", "SHA256", "RESTORED")
		for _, k := range report.Kinds {
			restored := "same"
			if !k.Same {
				restored = fmt.Sprintf("%d entries, %.12s", k.Restored.Count, k.Restored.SHA256)
			}
			t.Row(k.Section, k.Kind, strconv.FormatInt(k.Count, 10), strconv.FormatInt(k.Bytes, 10), fmt.Sprintf("%.12s", k.SHA256), restored)
		}
		err = t.End()
	}
	if err == nil && !report.Same {
		err = fmt.Errorf("%s: what was restored is not what was backed up: take another backup, and keep this file for a report", file)
	}
	return err
}
