package plugintest

import (
	"context"
	"errors"
	"maps"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
)

// code is a plugin's code as a host compiles it: with the settings of its calls,
// since its image may have read them.
type code struct {
	sandbox *sandbox.Sandbox
	wasm    []byte
	options sandbox.Options
	module  *sandbox.Module // with options; nil at first
}

// with gives the code for calls with these settings.
func (c *code) with(ctx context.Context, settings map[string]string) (*sandbox.Module, error) {
	if c.module != nil && maps.Equal(c.options.Config, settings) {
		return c.module, nil
	}
	options := c.options
	options.Config = maps.Clone(settings)
	module, err := c.sandbox.Compile(ctx, c.wasm, options)
	if failed, ok := errors.AsType[*sandbox.Error](err); ok {
		failed.Err.Message = plugin.ForAuthor(failed.Err.Message)
	}
	if err != nil {
		return nil, err
	}
	former := c.module
	c.options, c.module = options, module
	if former != nil {
		return module, former.Close(ctx)
	}
	return module, nil
}

func (c *code) close(ctx context.Context) error {
	if c.module == nil {
		return nil
	}
	return c.module.Close(ctx)
}
