package sandbox

import (
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// bulkExports are the functions by which a module takes its input and gives its
// output in one piece, from its own memory. What they hand over is a range that
// nobody has checked: each is held against the memory as it is at that moment,
// which the function itself may have grown.
func bulkExports() wasm.Group {
	return wasm.Group{
		abi.ExportInput:  wasm.Signature(takes(i32).gives(i32)),
		abi.ExportOutput: wasm.Signature(takes().gives(i64)),
	}
}

// bulkInput asks the guest for a buffer and fills it; ok is false if the guest
// has none to give.
func (in *instance) bulkInput(input []byte) (ok bool, err error) {
	result, err := in.invoke(abi.ExportInput, uint64(len(input)))
	if err != nil && exitedWell(err) {
		return false, in.fail(newError(KindExit, "the plugin ended itself where it was asked for a buffer"))
	}
	address := uint32(result)
	if err != nil || address == 0 {
		return false, err
	}
	buffer, inside := in.guestRange(address, uint32(len(input)))
	if !inside {
		return false, in.fail(newError(KindTrap, "the plugin gave the address %d for an input of %d bytes, outside of its memory of %d bytes",
			address, len(input), len(in.memory.space.Bytes())))
	}
	copy(buffer, input)
	return true, in.charge(len(input))
}

// bulkOutput takes the output that the guest has noted, if any.
func (in *instance) bulkOutput() error {
	if len(in.arena.block(in.arena.errorOffset)) > 0 {
		return nil // it counts alone
	}
	result, err := in.invoke(abi.ExportOutput, 0)
	if err != nil && exitedWell(err) {
		return in.fail(newError(KindExit, "the plugin ended itself where it was asked for its output"))
	}
	if err != nil || result == 0 {
		return err
	}
	address, length := uint32(result>>32), uint32(result)
	if limit := in.limits.Output; int64(length) > limit {
		return in.fail(outputError("output", int64(length), limit))
	}
	output, inside := in.guestRange(address, length)
	if !inside || address == 0 {
		return in.fail(newError(KindTrap, "the plugin gave the address %d for an output of %d bytes, outside of its memory of %d bytes, or 0",
			address, length, len(in.memory.space.Bytes())))
	}
	in.output = append(make([]byte, 0, length), output...)
	return in.charge(len(output))
}

// guestRange gives a part of the guest's memory, as it is now. It is gone when
// the guest runs on.
func (in *instance) guestRange(address, length uint32) (bytes []byte, inside bool) {
	memory := in.memory.space.Bytes()
	end := uint64(address) + uint64(length)
	if end > uint64(len(memory)) {
		return nil, false
	}
	return memory[address:end:end], true
}

// charge has the guest pay for bytes that the host moved between its calls.
func (in *instance) charge(bytes int) error {
	if err := in.clock.charge(int64(bytes)); err != nil {
		return in.fail(err)
	}
	return nil
}

// blockRead copies a block into the guest's memory.
func (in *instance) blockRead(stack []uint64) {
	block := in.arena.block(stack[0])
	address := uint32(stack[1])
	memory, inside := in.guestRange(address, uint32(len(block)))
	if !inside {
		in.stop(newError(KindTrap, "%s: %d bytes to address %d would pass the memory of %d bytes",
			abi.BlockRead, len(block), address, len(in.memory.space.Bytes())))
	}
	in.arena.work += int64(copy(memory, block))
}

// blockWrite makes a block of a part of the guest's memory.
func (in *instance) blockWrite(stack []uint64) {
	address, length := uint32(stack[0]), uint32(stack[1])
	memory, inside := in.guestRange(address, length)
	if !inside {
		in.stop(newError(KindTrap, "%s: %d bytes at address %d are not in the memory of %d bytes",
			abi.BlockWrite, length, address, len(in.memory.space.Bytes())))
	}
	stack[0] = in.give(memory)
}
