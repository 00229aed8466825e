package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/pdk/abi"
)

// instance is one instantiated module. It serves one call at a time. After a
// trap, an exit, a limit or a time-out its state is undefined: it is poisoned,
// and closed instead of being used again.
type instance struct {
	module    *Module
	image     *Image // whose state it starts each call in; nil before there is one
	mod       api.Module
	memory    *linearMemory
	globals   []api.MutableGlobal     // as the module's image has them
	functions map[string]api.Function // handles are costly to make
	clock     clock
	context   callContext
	stack     [1]uint64
	idleSince time.Time
	slept     time.Duration // by a guest whose clocks stand still

	// Of one call.
	host           Host
	ahead          time.Duration
	limits         Limits
	arena          arena
	requests       int
	vars           map[string][]byte
	httpStatus     int
	httpHeaders    map[string]string
	logLeft        int64
	lastLog        []string // the end of the log, "level: text"
	stdout, stderr console
	code           uint32 // that the export returned
	output         []byte // that it set in bulk
	fault          *Error // why the host stopped the guest
}

// callContext is the context under which wazero runs an instance. It never
// ends, because nothing watches it: the clock stops guests. It keeps the
// caller's values out of wazero, which reads settings from them.
type callContext struct{ in *instance }

var _ context.Context = (*callContext)(nil)

func (c *callContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *callContext) Done() <-chan struct{}       { return nil }
func (c *callContext) Err() error                  { return nil }

// instanceKey finds the instance in a context that was derived from it.
type instanceKey struct{}

func (c *callContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.in
	}
	return nil
}

// instanceOf gives the instance that a host function was called by.
func instanceOf(ctx context.Context) *instance {
	if c, ok := ctx.(*callContext); ok {
		return c.in
	}
	return ctx.Value(instanceKey{}).(*instance)
}

// goCollects is GOGC in the guest's environment, which with GOMEMLIMIT is all that
// is there: Go's collector needs a hint that no other language's looks at. A call
// starts from an image and leaves nothing behind, so a collection in it is mostly
// for nothing, and one takes as long as ten calls. With 200 the first is at 8 MB
// of heap instead of 4; the limit keeps calls that need their memory from running
// out of it.
const goCollects = "200"

// newInstance makes an instance with its memory, empty or loaded from an
// image, and runs nothing of the guest. It waits for memory that all guests
// share.
func (m *Module) newInstance(ctx context.Context, from *Image) (_ *instance, err error) {
	in := &instance{module: m, image: from, functions: map[string]api.Function{}, arena: newArena(m.budget)}
	in.context.in = in
	in.stdout = console{in: in, level: "info"}
	in.stderr = console{in: in, level: "warn", keep: true}
	in.clock.turns, in.clock.key = m.sandbox.turns, m

	size := m.info.MemoryMin
	if from != nil {
		size = from.Bytes()
	}
	if err := m.sandbox.takeMemory(ctx, m, size+instanceBytes); err != nil {
		return nil, err
	}
	space, err := m.sandbox.space.Reserve(uint64(m.memory))
	if err != nil {
		m.budget.give(size + instanceBytes)
		return nil, newError(KindTrap, "%v", err).because(err)
	}
	in.memory = &linearMemory{space: space, limit: uint64(m.memory), budget: m.budget, held: size}
	defer func() {
		if r := recover(); r != nil {
			err = newError(KindTrap, "instantiation panicked: %v", r)
		}
		if err != nil {
			in.close()
		}
	}()
	if from != nil && from.content != nil {
		if err := space.Load(from.content); err != nil {
			return nil, newError(KindTrap, "%v", err).because(err)
		}
	}
	config := wazero.NewModuleConfig().
		WithName("").         // anonymous: a runtime holds many
		WithStartFunctions(). // the rest of WASI is in wasi.go
		WithEnv("GOGC", goCollects).WithEnv("GOMEMLIMIT", strconv.FormatInt(m.memory/4*3, 10))
	wall, steady := in.walltime, in.nanotime
	if m.still {
		wall, steady = in.stillWalltime, in.stillNanotime
	}
	config = config.WithWalltime(wall, sys.ClockResolution(time.Microsecond)).WithNanotime(steady, sys.ClockResolution(time.Nanosecond))
	in.mod, err = m.runtime.InstantiateModule(experimental.WithMemoryAllocator(&in.context, in.memory), m.compiled, config)
	if err != nil {
		return nil, newError(KindRefused, "instantiation: %v", err).because(err)
	}
	if err := in.connect(); err != nil {
		return nil, newError(KindTrap, "instantiation: %v", err)
	}
	return in, nil
}

// connect finds the globals that the meter has exported, and brings memory
// and globals into the state of the image.
func (in *instance) connect() error {
	global := func(name string) (api.MutableGlobal, error) {
		g, ok := in.mod.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return nil, fmt.Errorf("the rewritten module lacks the global %q", name)
		}
		return g, nil
	}
	var err error
	if in.clock.fuel, err = global(meter.ExportFuel); err != nil {
		return err
	}
	if in.clock.stack, err = global(meter.ExportStack); err != nil {
		return err
	}
	for _, g := range in.module.rewritten.Globals {
		found, err := global(g.Export)
		if err != nil {
			return err
		}
		in.globals = append(in.globals, found)
	}
	if in.image == nil {
		return nil
	}
	in.setGlobals()
	if in.image.content != nil {
		memory := in.mod.Memory()
		missing := (in.image.Bytes() - int64(memory.Size())) / pageSize
		if _, ok := memory.Grow(uint32(missing)); !ok {
			return fmt.Errorf("the memory can't have the size of its image, %s", size(in.image.Bytes()))
		}
	}
	return nil
}

func (in *instance) setGlobals() {
	for i, g := range in.globals {
		g.Set(in.image.globals[i])
	}
}

// rewind brings an instance back into the state of its image. It reports
// false if it can't.
func (in *instance) rewind() bool {
	ok, err := in.memory.rewind(in.mod.Memory(), in.image.content)
	if err != nil {
		in.module.sandbox.config.Log.Error("an instance is discarded: its memory can't be restored", "sha256", in.module.info.SHA256, "error", err)
	}
	if !ok || err != nil {
		return false
	}
	in.setGlobals()
	if in.clock.granted > slice {
		// A long call may have been a deep one, and the engine keeps the stack
		// of a function's deepest call with its handle.
		clear(in.functions)
	}
	return true
}

// initialize makes an instance from nothing and runs what the module runs
// once: its data, its start section, then the initialisers of its language.
// All of it is under the limits, and none of it reaches the host.
func (m *Module) initialize(ctx context.Context, limits Limits) (*instance, error) {
	in, err := m.newInstance(ctx, nil)
	if err != nil {
		return nil, err
	}
	for i, segment := range m.rewritten.Data {
		memory := in.memory.space.Bytes()
		if int64(segment.Offset)+int64(len(segment.Bytes)) > int64(len(memory)) {
			in.close()
			return nil, newError(KindTrap, "instantiation: data segment %d, %d bytes at %d, is outside of the memory of %d bytes",
				i, len(segment.Bytes), segment.Offset, len(memory))
		}
		copy(memory[segment.Offset:], segment.Bytes)
	}
	in.limits, in.logLeft = limits, limits.Log
	in.arena.begin(limits.transfer())
	in.clock.start(ctx, limits)
	where, err := in.runInitializers()
	in.clock.stop()
	if err != nil || in.poisoned() {
		failure := in.failure(ctx, err)
		failure.Export = where
		in.close()
		return nil, failure
	}
	in.forget()
	return in, nil
}

// runInitializers runs the start section, and the initialisers that go-sdk
// runs, in its order.
func (in *instance) runInitializers() (where string, err error) {
	run := func(name string) (found bool, err error) {
		f := in.mod.ExportedFunction(name)
		if f == nil {
			return false, nil
		}
		// hs_init takes argc and argv.
		_, err = f.Call(&in.context, make([]uint64, len(f.Definition().ParamTypes()))...)
		return true, err
	}
	if start := in.module.rewritten.Start; start != "" {
		if _, err := run(start); err != nil {
			return "start section", err
		}
	}
	for _, group := range [][]string{{"_initialize", "hs_init"}, {"_initialize"}, {"__wasm_call_ctors"}} {
		if in.mod.ExportedFunction(group[len(group)-1]) == nil {
			continue
		}
		for _, name := range group {
			if _, err := run(name); err != nil {
				return name, err
			}
		}
		break
	}
	return "", nil
}

// call runs one export. The caller puts the instance back only if it is not
// poisoned.
func (in *instance) call(ctx context.Context, c Call) (result Result, poisoned bool, failure *Error) {
	in.host, in.ahead, in.limits, in.logLeft = c.Host, c.Ahead, c.Limits, c.Limits.Log
	in.slept = 0
	in.arena.begin(c.Limits.transfer())
	if in.image != nil {
		in.clock.start(ctx, c.Limits)
	} else { // what the instance used to initialise itself is part of the call
		in.clock.goOn(ctx, c.Limits)
	}
	where, err := in.enter(c)
	in.clock.stop()
	in.stdout.flush()
	in.stderr.flush()

	result.Fuel, result.GuestTime = in.clock.used(), in.clock.spent
	result.MemoryBytes = int64(len(in.memory.space.Bytes()))
	switch {
	case err != nil && !exitedWell(err):
		failure = in.failure(ctx, err)
	case result.Fuel > c.Limits.Fuel: // the last block overdrew, and nothing checked after it
		failure = fuelError(result.Fuel, c.Limits.Fuel)
	case result.GuestTime > c.Limits.Time:
		failure = timeError(c.Limits.Time)
	default:
		result.Output, failure = in.outcome()
	}
	if failure != nil {
		failure.Export = where
	}
	poisoned = err != nil || in.poisoned()
	in.forget()
	return result, poisoned, failure
}

// enter gives the export its input, calls it, and looks for its output, all of
// it on the guest's account. An error is about the export where.
func (in *instance) enter(c Call) (where string, err error) {
	bulk := false
	if in.module.bulk {
		if bulk, err = in.bulkInput(c.Input); err != nil {
			return abi.ExportInput, err
		}
	}
	if !bulk && !in.arena.setInput(c.Input) {
		return c.Export, in.fail(in.transferError(uint64(len(c.Input))))
	}
	code, err := in.invoke(c.Export, 0)
	in.code = uint32(code)
	if err != nil || !bulk || in.code != 0 {
		return c.Export, err
	}
	if err := in.bulkOutput(); err != nil {
		return abi.ExportOutput, err
	}
	return c.Export, nil
}

// invoke calls one export with at most one parameter and one result.
func (in *instance) invoke(export string, argument uint64) (result uint64, err error) {
	f := in.functions[export]
	if f == nil {
		f = in.mod.ExportedFunction(export)
		in.functions[export] = f
	}
	in.stack[0] = argument
	err = f.CallWithStack(&in.context, in.stack[:])
	return in.stack[0], err
}

// exitedWell reports proc_exit(0), which is a success, as in go-sdk.
func exitedWell(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// outcome reads what a call that ended by itself leaves behind. As in go-sdk,
// an error that was set counts even beside code 0.
func (in *instance) outcome() ([]byte, *Error) {
	a := &in.arena
	text := a.block(a.errorOffset)
	if n := int64(len(text)); n > maxErrorText {
		return nil, limitError(LimitOutput, "%s of %s is over the limit of %s, which no grant raises; quote less of the input in it", ErrorText, size(n), size(maxErrorText))
	} else if n > in.limits.Output {
		return nil, outputError(ErrorText, n, in.limits.Output)
	}
	if len(text) > 0 {
		return nil, guestError(string(text))
	}
	if in.code != 0 {
		return nil, newError(KindGuest, "the plugin returned code %d "+Silent, int32(in.code))
	}
	if in.output != nil {
		return in.output, nil
	}
	if a.outputLength == 0 {
		return nil, nil
	}
	return append([]byte(nil), a.buf[a.outputOffset:][:a.outputLength]...), nil
}

// fail notes why the host ends the call.
func (in *instance) fail(e *Error) *Error {
	in.fault = e
	return e
}

// stop ends the guest from within a host function.
func (in *instance) stop(e *Error) { panic(in.fail(e)) }

// trip is what the rewritten module calls when its fuel or stack is used up.
func (in *instance) trip(reason uint64) {
	if reason == meter.ReasonStack {
		in.stop(newError(KindTrap, "the plugin crashed: stack overflow, calls nested beyond %s", size(stackBytes)))
	}
	if err := in.clock.refuel(); err != nil {
		in.stop(err)
	}
}

// forget drops everything that belongs to one call.
func (in *instance) forget() {
	in.arena.end()
	in.lastLog = in.lastLog[:0]
	in.stdout.reset()
	in.stderr.reset()
	in.host, in.vars, in.httpHeaders, in.fault, in.output = nil, nil, nil, nil, nil
	in.code, in.requests, in.httpStatus, in.logLeft, in.ahead = 0, 0, 0, 0, 0
	in.memory.refused, in.memory.crowded = 0, false
}

// poisoned reports whether wazero has closed the module, as proc_exit does.
func (in *instance) poisoned() bool { return in.mod.IsClosed() }

// close releases the module. No guest code runs when it is called.
func (in *instance) close() {
	log := in.module.sandbox.config.Log
	if in.mod != nil {
		if err := in.mod.Close(context.Background()); err != nil {
			log.Error("close an instance", "sha256", in.module.info.SHA256, "error", err)
		}
	}
	in.arena.release()
	in.module.budget.give(instanceBytes)
	if err := in.memory.release(); err != nil {
		log.Error("release an instance's memory", "sha256", in.module.info.SHA256, "error", err)
	}
}
