package plugins

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/seal"
)

func (p program) keyCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "key NAME",
		Short: "Make a pair of keys to sign plugins with",
		Long: `Make an Ed25519 key. The private one is written to NAME.pem (PEM, PKCS #8, mode
0600), which must not be there; the public one is printed, as trama.yaml takes
it. NAME is what grants call the key where they trust it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.makeKey(args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "`file` for the private key (default: NAME.pem)")
	return c
}

// madeKey is what "plugin key --json" prints.
type madeKey struct {
	Name    string   `json:"name"`
	Private string   `json:"private"` // the file
	Public  seal.Key `json:"public"`
	ID      string   `json:"id"`
}

func (p program) makeKey(name, out string) error {
	if !grant.IsSigner(name) {
		return cli.Usage(fmt.Sprintf("%q is no name of a key: use lower-case letters, digits, - and _", name))
	}
	private, public, err := seal.Generate()
	if err != nil {
		return err
	}
	made := madeKey{Name: name, Private: cmp.Or(out, name+".pem"), Public: public, ID: public.ID()}
	f, err := os.OpenFile(made.Private, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: a key that is lost can't be had again, so name a new file with --out", made.Private)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(private)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(made.Private)) // half a key, which would be taken for one
	}
	if p.JSON {
		return p.PrintJSON(made)
	}
	fmt.Fprintf(p.Stderr, "%s: the private key %s; keep it as you keep passwords. For the trama.yaml of those who trust it:\n", cli.Printable(made.Private), made.ID)
	_, err = fmt.Fprintf(p.Stdout, "trusted_keys: {%s: %q}\n", made.Name, made.Public)
	return err
}

func (p program) signCommand() *cobra.Command {
	var key, out string
	c := &cobra.Command{
		Use:   "sign FILE.wasm --key KEY.pem",
		Short: "Sign a plugin's file",
		Long: `Sign a plugin's file with an Ed25519 key: one that "trama plugin key" made, or
"openssl genpkey -algorithm ed25519". The signature is the file's last section,
covers all before it, and takes the place of one that is there. The manifest must
be in the file: see "trama plugin pack".`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.sign(c.Context(), args[0], key, out) },
	}
	c.Flags().StringVar(&key, "key", "", "`file` with the private key, in PEM (PKCS #8)")
	c.Flags().StringVar(&out, "out", "", "`file` to write (default: in place)")
	if err := c.MarkFlagRequired("key"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

// signed is what "plugin sign --json" prints.
type signed struct {
	File   string   `json:"file"`
	SHA256 string   `json:"sha256"`
	Key    string   `json:"key"` // its id
	Public seal.Key `json:"public"`
}

func (p program) sign(ctx context.Context, path, keyFile, out string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	private, err := seal.ParsePrivate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	whole, err := plugin.Whole(module)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !whole {
		return fmt.Errorf("%s does not hold its manifest, so a signature would not cover what it asks for: put it in first with trama plugin pack %s", path, path)
	}
	made, err := seal.Sign(module, private)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	public := seal.Key(private.Public().(ed25519.PublicKey))
	result := signed{File: cmp.Or(out, path), SHA256: plugin.Digest(made, nil), Key: public.ID(), Public: public}
	if err := replace(result.File, path, made, func(temp string) error {
		_, _, err := local.Describe(ctx, temp) // what no server takes is not signed
		return err
	}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if p.JSON {
		return p.PrintJSON(result)
	}
	t := cli.NewTable(p.Stdout)
	t.Row("file", result.File)
	t.Row("sha256", result.SHA256)
	t.Row("signed by", "key "+result.Key)
	t.Row("public key", result.Public.String())
	return t.End()
}
