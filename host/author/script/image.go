package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
	"github.com/trama-run/trama/pdk/abi"
)

// program is what the engine's program_load takes.
type program struct {
	source     string
	Operations []string `json:"operations"`
	Places     places   `json:"places"`
}

// What the engine exports for the builder; the plugin keeps none of it.
const (
	exportInitialize = "_initialize"
	exportBuffer     = "program_buffer" // (length i32) -> address i32
	exportLoad       = "program_load"   // (address, length of source, length i32) -> i64: 0, or where an error is
	exportCall       = "call"           // (operation i32) -> i32
	exportStack      = "__stack_pointer"
	exportMemory     = "memory"
)

// Bounds of loading. The program may use more in its calls.
const (
	loadTime  = 20 * time.Second
	loadPages = 2048 // 128 MiB
)

// interpreted is the size in bytes up to which a program is loaded by an
// interpreter, sooner than the engine could be compiled, which takes 2 s.
const interpreted = 64 << 10

// image is the engine with a program in it.
type image struct {
	memory  []byte
	globals map[uint32]uint64 // the values of mutable ones, by index
}

// load runs the engine until it has loaded the program.
func load(ctx context.Context, engine *wasm.Module, p program, entry string) (image, error) {
	if err := keepable(engine); err != nil {
		return image{}, fmt.Errorf("engine of the PDK: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	config := wazero.NewRuntimeConfigInterpreter()
	if len(p.source) > interpreted {
		config = wazero.NewRuntimeConfig()
	}
	rt := wazero.NewRuntimeWithConfig(ctx, config.WithCloseOnContextDone(true).WithMemoryLimitPages(loadPages))
	defer rt.Close(context.Background())
	compiled, err := rt.CompileModule(ctx, engine.Bytes)
	if err == nil {
		err = link(ctx, rt, compiled)
	}
	if err != nil {
		return image{}, fmt.Errorf("engine of the PDK: %w", err)
	}
	mod, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions(exportInitialize))
	if err != nil {
		return image{}, fmt.Errorf("engine of the PDK: %w", err)
	}
	if err := run(ctx, mod, p); err != nil {
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return image{}, problem("", "%s: its top level hasn't ended in time, %s at most; it runs once, when the plugin is built: move the work into an operation", entry, loadTime)
		case ctx.Err() != nil:
			return image{}, ctx.Err()
		}
		return image{}, err
	}
	return snapshot(mod, engine)
}

// keepable refuses an engine whose state is more than memory and globals.
func keepable(engine *wasm.Module) error {
	for _, op := range []opcode.Op{opcode.TableSet, opcode.TableGrow, opcode.TableFill, opcode.TableCopy,
		opcode.TableInit, opcode.ElemDrop, opcode.MemoryInit, opcode.DataDrop} {
		if at, found := engine.First(op); found {
			return fmt.Errorf("%s at offset %d: what it changes can't be written into a module", op, at)
		}
	}
	if len(engine.Memories) != 1 || engine.ImportedGlobals+engine.ImportedTables > 0 || engine.Start >= 0 {
		return errors.New("want one memory, no imported globals or tables, and no start section")
	}
	return nil
}

// link offers what the engine imports. While a program loads, nothing outside
// is in reach, and the clock and the random source stand still, so that the
// same program gives the same image.
func link(ctx context.Context, rt wazero.Runtime, compiled wazero.CompiledModule) error {
	modules := map[string]wazero.HostModuleBuilder{}
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		builder := modules[module]
		if builder == nil {
			builder = rt.NewHostModuleBuilder(module)
			modules[module] = builder
		}
		builder.NewFunctionBuilder().
			WithGoModuleFunction(still(module, name), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for _, builder := range modules {
		if _, err := builder.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func still(module, name string) api.GoModuleFunc {
	return func(_ context.Context, mod api.Module, stack []uint64) {
		wrote := false
		switch {
		case module == abi.ModuleWASI && name == "clock_time_get": // id, precision, address
			wrote = mod.Memory().WriteUint64Le(uint32(stack[2]), 0)
		case module == abi.ModuleWASI && name == "random_get": // address, length
			wrote = mod.Memory().Write(uint32(stack[0]), make([]byte, uint32(stack[1])))
		}
		if !wrote {
			panic(fmt.Errorf("%s.%s was called while the program loads", module, name))
		}
		stack[0] = 0
	}
}

// run has the engine load the program.
func run(ctx context.Context, mod api.Module, p program) error {
	rest, err := json.Marshal(p)
	if err != nil {
		return err
	}
	data := append([]byte(p.source+"\x00"), rest...)
	address, err := mod.ExportedFunction(exportBuffer).Call(ctx, uint64(len(data)))
	if err != nil {
		return fmt.Errorf("engine of the PDK: %w", err)
	}
	if address[0] == 0 || !mod.Memory().Write(uint32(address[0]), data) {
		return problem("", "the program with its imports has %d bytes, for which the engine has no memory; import less", len(data))
	}
	failed, err := mod.ExportedFunction(exportLoad).Call(ctx, address[0], uint64(len(p.source)), uint64(len(data)))
	if err != nil {
		return fmt.Errorf("load the program: %w", err)
	}
	if failed[0] == 0 {
		return nil
	}
	text, _ := mod.Memory().Read(uint32(failed[0]>>32), uint32(failed[0]))
	var reported struct {
		Message string  `json:"message"`
		Detail  Problem `json:"detail"`
	}
	if err := json.Unmarshal(text, &reported); err != nil {
		reported.Message = string(text) // a text that was thrown
	}
	at := reported.Detail
	message := strings.TrimSuffix(reported.Message, fmt.Sprintf(" (%s:%d:%d)", at.File, at.Line, at.Column))
	reported.Detail.Text = "the program fails while it loads: " + message
	return &Error{[]Problem{reported.Detail}}
}

// snapshot copies the state of the engine. The stack is below the stack pointer
// and holds nothing that counts between calls.
func snapshot(mod api.Module, engine *wasm.Module) (image, error) {
	made := image{globals: map[uint32]uint64{}}
	for _, e := range engine.Exports {
		if e.Kind == "global" && engine.Globals[e.Index].Mutable {
			made.globals[e.Index] = mod.ExportedGlobal(e.Name).Get()
		}
	}
	for i, g := range engine.Globals {
		if _, read := made.globals[uint32(i)]; g.Mutable && !read {
			return image{}, fmt.Errorf("engine of the PDK: global %d is mutable, but not exported, so its value can't be kept", i)
		}
	}
	memory, ok := mod.Memory().Read(0, mod.Memory().Size())
	if !ok {
		return image{}, errors.New("engine of the PDK: its memory can't be read")
	}
	made.memory = bytes.Clone(memory)
	stack := mod.ExportedGlobal(exportStack)
	if stack == nil {
		return image{}, fmt.Errorf("engine of the PDK: it does not export %s", exportStack)
	}
	top := stack.Get()
	for _, d := range engine.Data {
		if d.Offset.Op != opcode.I32Const || uint64(d.Offset.Value) < top {
			return image{}, errors.New("engine of the PDK: want its stack below its data (-Wl,--stack-first)")
		}
	}
	clear(made.memory[:top])
	return made, nil
}
