package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
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

// wasiModule is wazero's WASI preview 1 but for the functions that wait, that
// go through as many bytes as the guest says, or that change the table of open
// files. The first two must be paid for; the third would carry what one call
// did into the next, so stdin (at its end), stdout and stderr stay open.
func wasiModule(rt wazero.Runtime) wazero.HostModuleBuilder {
	builder := rt.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	for _, f := range []struct {
		name   string
		params []api.ValueType
		call   wasiFunction
	}{
		{"fd_close", []api.ValueType{i32}, fdClose},
		{"fd_renumber", []api.ValueType{i32, i32}, func(*instance, api.Memory, []uint64) uint64 { return wasiNotSupported }},
		{"fd_read", []api.ValueType{i32, i32, i32, i32}, fdRead},
		{"fd_pread", []api.ValueType{i32, i32, i32, i64, i32}, fdNoSeek},
		{"fd_pwrite", []api.ValueType{i32, i32, i32, i64, i32}, fdNoSeek},
		{"fd_write", []api.ValueType{i32, i32, i32, i32}, fdWrite},
		{"poll_oneoff", []api.ValueType{i32, i32, i32, i32}, pollOneoff},
		{"random_get", []api.ValueType{i32, i32}, randomGet},
	} {
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = f.call(instanceOf(ctx), m.Memory(), stack)
		}), f.params, []api.ValueType{i32}).Export(f.name)
	}
	return builder
}

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
		to.write(data)
		total += uint32(len(data))
		in.clock.charge(int64(len(data) + vector))
		if err := in.clock.pay(); err != nil { // one call may write the memory a million times
			in.stop(err)
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
	rand.Read(data) //nolint:errcheck // never fails since Go 1.24
	in.clock.charge(int64(len(data)))
	return wasiSuccess
}

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
	in.clock.charge(int64(count) * (subscription + event))
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
		if err := in.clock.sleep(shortest); err != nil {
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
