package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/trama-run/trama/pdk/abi"
)

// Error numbers of WASI preview 1.
const (
	wasiSuccess      = 0
	wasiBadFile      = 8
	wasiFault        = 21
	wasiInvalid      = 28
	wasiSeek         = 70 // ESPIPE
	wasiNotSupported = 58
)

// wasiFunction is a function of WASI that is ours. It gives the error number.
type wasiFunction func(in *instance, memory api.Memory, p []uint64) uint64

// wasiFunctions are those of WASI that wait, that go through as many bytes as
// the guest says, or that change the table of open files. The first two must
// be paid for; the third would carry what one call did into the next, so stdin
// (at its end), stdout and stderr stay open.
func wasiFunctions() map[string]wasiFunction {
	return map[string]wasiFunction{
		"fd_close": fdClose, "fd_read": fdRead, "fd_pread": fdNoSeek, "fd_pwrite": fdNoSeek, "fd_write": fdWrite,
		"fd_renumber": func(*instance, api.Memory, []uint64) uint64 { return wasiNotSupported },
		"poll_oneoff": pollOneoff, "random_get": randomGet,
	}
}

// wasiOfWazero are the functions that wazero's own WASI serves: what they do
// has a small bound and changes nothing. All others find no file.
func wasiOfWazero() []string {
	return []string{
		"args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_res_get", "clock_time_get",
		"fd_fdstat_get", "fd_fdstat_set_flags", "fd_filestat_get", "proc_exit", "sched_yield",
	}
}

// wasiModule gives a plugin WASI preview 1 without files and sockets.
func wasiModule(ctx context.Context, rt wazero.Runtime) (wazero.HostModuleBuilder, error) {
	builder := rt.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	all, err := builder.Compile(ctx)
	if err != nil {
		return nil, err
	}
	ours, kept := wasiFunctions(), wasiOfWazero()
	for name, d := range all.ExportedFunctions() {
		call := ours[name]
		switch {
		case slices.Contains(kept, name):
			continue
		case call == nil:
			call = func(*instance, api.Memory, []uint64) uint64 { return wasiBadFile }
		}
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			in := instanceOf(ctx)
			if !in.module.hasMemory {
				stack[0] = wasiFault
				return
			}
			stack[0] = call(in, m.Memory(), stack)
			in.pay(0)
		}), d.ParamTypes(), d.ResultTypes()).Export(name)
	}
	return builder, all.Close(ctx)
}

// pay charges for bytes, and ends the call if it can't.
func (in *instance) pay(bytes int) {
	if err := in.clock.charge(int64(bytes)); err != nil {
		in.stop(err)
	}
}

// piece is how many bytes are gone through before they are paid for.
const piece = 64 * kib

func fdClose(_ *instance, _ api.Memory, p []uint64) uint64 {
	if uint32(p[0]) > 2 {
		return wasiBadFile
	}
	return wasiSuccess
}

// fdRead finds the end of stdin.
func fdRead(_ *instance, memory api.Memory, p []uint64) uint64 {
	if uint32(p[0]) != 0 {
		return wasiBadFile
	}
	if !memory.WriteUint32Le(uint32(p[3]), 0) {
		return wasiFault
	}
	return wasiSuccess
}

func fdNoSeek(_ *instance, _ api.Memory, p []uint64) uint64 {
	if uint32(p[0]) > 2 {
		return wasiBadFile
	}
	return wasiSeek
}

// fdWrite takes lines for the log.
func fdWrite(in *instance, memory api.Memory, p []uint64) uint64 {
	var to *console
	switch uint32(p[0]) {
	case 1:
		to = &in.stdout
	case 2:
		to = &in.stderr
	default:
		return wasiBadFile
	}
	const vector = 8 // bytes of an iovec
	count := uint32(p[2])
	if count > math.MaxUint32/vector {
		return wasiInvalid
	}
	vectors, ok := memory.Read(uint32(p[1]), count*vector)
	if !ok {
		return wasiFault
	}
	var total uint32
	for ; len(vectors) > 0; vectors = vectors[vector:] {
		data, ok := memory.Read(binary.LittleEndian.Uint32(vectors), binary.LittleEndian.Uint32(vectors[4:]))
		if !ok {
			return wasiFault
		}
		total += uint32(len(data))
		for part := range slices.Chunk(data, piece) { // one call may write the memory a million times
			to.write(part)
			in.pay(len(part))
		}
	}
	if !memory.WriteUint32Le(uint32(p[3]), total) {
		return wasiFault
	}
	return wasiSuccess
}

func randomGet(in *instance, memory api.Memory, p []uint64) uint64 {
	data, ok := memory.Read(uint32(p[0]), uint32(p[1]))
	if !ok {
		return wasiFault
	}
	for part := range slices.Chunk(data, piece) {
		if in.module.still {
			clear(part)
		} else {
			rand.Read(part) //nolint:errcheck // never fails since Go 1.24
		}
		in.pay(len(part))
	}
	return wasiSuccess
}

// walltime is the guest's clock of the day, and nanotime that of time that
// passes. It begins at a second: Go takes 0 for a clock that is broken.
func (in *instance) walltime() (seconds int64, nanoseconds int32) {
	now := time.Now().Add(in.ahead)
	return now.Unix(), int32(now.Nanosecond())
}

func (in *instance) nanotime() int64 { return int64(time.Second + time.Since(began) + in.ahead) }

// The clocks of a guest for which they stand still.
func (in *instance) stillNanotime() int64 { return int64(time.Second + in.slept) }

func (in *instance) stillWalltime() (seconds int64, nanoseconds int32) {
	now := time.Unix(0, in.stillNanotime())
	return now.Unix(), int32(now.Nanosecond())
}

// began is when the clocks that never go back begin.
var began = time.Now()

// pollOneoff waits until one of the events has happened. Files are always
// ready; a guest polls to sleep.
func pollOneoff(in *instance, memory api.Memory, p []uint64) uint64 {
	const (
		most                       = 1024
		subscription, event        = 48, 32 // bytes
		clockEvent, writeEvent     = 0, 2
		tag, fd, timeout, flags    = 8, 16, 24, 40 // offsets in a subscription
		eventError, eventType      = 8, 10         // offsets in an event
		absolute                   = 1
		notSupported, noSuchFileNo = wasiNotSupported, wasiBadFile
	)
	count := uint32(p[2])
	if count == 0 || count > most {
		return wasiInvalid
	}
	in.pay(int(count) * (subscription + event))
	wanted, ok := memory.Read(uint32(p[0]), count*subscription)
	if !ok {
		return wasiFault
	}
	events, ok := memory.Read(uint32(p[1]), count*event)
	if !ok {
		return wasiFault
	}
	happened := uint32(0)
	report := func(s []byte, errno uint16) {
		e := events[happened*event:][:event]
		clear(e)
		copy(e, s[:tag])
		binary.LittleEndian.PutUint16(e[eventError:], errno)
		e[eventType] = s[tag]
		happened++
	}
	each := func(f func(s []byte)) {
		for i := range count {
			// A copy: events may lie over subscriptions.
			var s [subscription]byte
			copy(s[:], wanted[i*subscription:])
			f(s[:])
		}
	}
	shortest := time.Duration(math.MaxInt64)
	each(func(s []byte) {
		switch {
		case s[tag] != clockEvent && s[tag] <= writeEvent:
			if binary.LittleEndian.Uint32(s[fd:]) <= 2 {
				report(s, wasiSuccess)
			} else {
				report(s, noSuchFileNo)
			}
		case s[tag] != clockEvent || s[flags]&absolute != 0:
			report(s, notSupported)
		default:
			shortest = min(shortest, time.Duration(min(binary.LittleEndian.Uint64(s[timeout:]), math.MaxInt64)))
		}
	})
	if happened == 0 {
		if in.module.still {
			in.slept += min(shortest, time.Hour)
		} else if err := in.clock.sleep(shortest); err != nil {
			in.stop(err)
		}
		each(func(s []byte) {
			if binary.LittleEndian.Uint64(s[timeout:]) <= uint64(shortest) {
				report(s, wasiSuccess)
			}
		})
	}
	if !memory.WriteUint32Le(uint32(p[3]), happened) {
		return wasiFault
	}
	return wasiSuccess
}
