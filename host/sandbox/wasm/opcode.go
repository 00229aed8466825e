package wasm

import (
	"fmt"
	"strings"
)

// Op is an instruction: its opcode, or behind a prefix byte the opcode plus
// 0x100 (prefix 0xfc) or 0x200 (prefix 0xfd, vectors).
type Op uint16

const (
	prefixMisc   Op = 0x100
	prefixVector Op = 0x200
	opCount         = 0x300
)

// The instructions that are handled one by one; [Op.String] names all.
const (
	OpUnreachable  Op = 0x00
	OpNop          Op = 0x01
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpElse         Op = 0x05
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpGlobalGet    Op = 0x23
	OpTableSet     Op = 0x26
	OpMemoryGrow   Op = 0x40
	OpI32Const     Op = 0x41
	OpI64Const     Op = 0x42
	opF32Const     Op = 0x43
	opF64Const     Op = 0x44
	OpRefNull      Op = 0xd0
	OpRefFunc      Op = 0xd2
	OpMemoryInit   Op = prefixMisc + 8
	OpDataDrop     Op = prefixMisc + 9
	OpMemoryCopy   Op = prefixMisc + 10
	OpMemoryFill   Op = prefixMisc + 11
	OpTableInit    Op = prefixMisc + 12
	OpElemDrop     Op = prefixMisc + 13
	OpTableCopy    Op = prefixMisc + 14
	OpTableGrow    Op = prefixMisc + 15
	OpTableFill    Op = prefixMisc + 17
	opV128Const    Op = prefixVector + 12
)

// String gives the name in the text format, or that of the proposal to which
// the opcode belongs.
func (op Op) String() string {
	if int(op) < opCount && opcodes[op].name != "" {
		return opcodes[op].name
	}
	code := fmt.Sprintf("opcode 0x%02x", uint16(op))
	switch {
	case op >= prefixVector:
		code = fmt.Sprintf("opcode 0xfd 0x%02x", uint16(op-prefixVector))
	case op >= prefixMisc:
		code = fmt.Sprintf("opcode 0xfc 0x%02x", uint16(op-prefixMisc))
	}
	if p := op.proposal(); p != "" {
		return code + " (" + p + ")"
	}
	return code
}

// proposal names the proposal that an opcode outside of Core 2 belongs to.
func (op Op) proposal() string {
	switch {
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "exception handling"
	case op == 0x12, op == 0x13:
		return "tail calls"
	case op == 0x14, op == 0x15, op >= 0xd4 && op <= 0xd6:
		return "function references"
	case op == 0xd3, op == 0xfb:
		return "garbage collection"
	case op >= 0xe0 && op <= 0xe6:
		return "stack switching"
	case op == 0xfe:
		return "threads"
	case op == prefixMisc+0x12:
		return "memory control"
	case op >= prefixMisc+0x13 && op <= prefixMisc+0x16:
		return "wide arithmetic"
	case op >= opCount && op < opCount+0x100:
		return "relaxed SIMD"
	}
	return ""
}

// operand says what follows an opcode.
type operand byte

const (
	none operand = iota
	valueTypes
	localIndex
	globalIndex
	tableIndex
	memory // alignment and offset
	memoryLane
	zeroByte
	zeroBytes
	i32Value
	i64Value
	bytes4
	bytes8
	bytes16
	lane
	lanes16
	refType
	declaredFunction
	dataAndZero
	dataIndex
	elementAndTable
	elementIndex
	tableAndTable

	// Those of instructions that move control or depend on a function's type.
	control // nothing follows
	blockType
	label
	labels
	functionIndex
	typeAndTable
)

// opcode describes one instruction. An empty name: there is none.
type opcode struct {
	name         string
	operand      operand
	most         byte // the greatest alignment (as a power of 2) or lane
	pops, pushes int8
}

// opcodes has every instruction of Core 2. Where what it pops and pushes
// depends on a type, that is added by [Code].
var opcodes = table()

// table spreads the rows: names for consecutive opcodes, "-" for a gap. A
// digit behind a colon is the greatest alignment or lane.
func table() (all [opCount]opcode) {
	for _, row := range [...]struct {
		first        Op
		operand      operand
		pops, pushes int8
		names        string
	}{
		{0x00, control, 0, 0, "unreachable"},
		{0x01, none, 0, 0, "nop"},
		{0x02, blockType, 0, 0, "block loop"},
		{0x04, blockType, 1, 0, "if"},
		{0x05, control, 0, 0, "else"},
		{0x0b, control, 0, 0, "end"},
		{0x0c, label, 0, 0, "br"},
		{0x0d, label, 1, 0, "br_if"},
		{0x0e, labels, 1, 0, "br_table"},
		{0x0f, control, 0, 0, "return"},
		{0x10, functionIndex, 0, 0, "call"},
		{0x11, typeAndTable, 1, 0, "call_indirect"},
		{0x1a, none, 1, 0, "drop"},
		{0x1b, none, 3, 1, "select"},
		{0x1c, valueTypes, 3, 1, "select"},
		{0x20, localIndex, 0, 1, "local.get"},
		{0x21, localIndex, 1, 0, "local.set"},
		{0x22, localIndex, 1, 1, "local.tee"},
		{0x23, globalIndex, 0, 1, "global.get"},
		{0x24, globalIndex, 1, 0, "global.set"},
		{0x25, tableIndex, 1, 1, "table.get"},
		{0x26, tableIndex, 2, 0, "table.set"},
		{0x28, memory, 1, 1, "i32.load:2 i64.load:3 f32.load:2 f64.load:3 i32.load8_s:0 i32.load8_u:0 i32.load16_s:1 i32.load16_u:1 " +
			"i64.load8_s:0 i64.load8_u:0 i64.load16_s:1 i64.load16_u:1 i64.load32_s:2 i64.load32_u:2"},
		{0x36, memory, 2, 0, "i32.store:2 i64.store:3 f32.store:2 f64.store:3 i32.store8:0 i32.store16:1 i64.store8:0 i64.store16:1 i64.store32:2"},
		{0x3f, zeroByte, 0, 1, "memory.size"},
		{0x40, zeroByte, 1, 1, "memory.grow"},
		{0x41, i32Value, 0, 1, "i32.const"},
		{0x42, i64Value, 0, 1, "i64.const"},
		{0x43, bytes4, 0, 1, "f32.const"},
		{0x44, bytes8, 0, 1, "f64.const"},
		{0x45, none, 1, 1, "i32.eqz"},
		{0x46, none, 2, 1, "i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u"},
		{0x50, none, 1, 1, "i64.eqz"},
		{0x51, none, 2, 1, "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u"},
		{0x5b, none, 2, 1, "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge"},
		{0x67, none, 1, 1, "i32.clz i32.ctz i32.popcnt"},
		{0x6a, none, 2, 1, "i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr"},
		{0x79, none, 1, 1, "i64.clz i64.ctz i64.popcnt"},
		{0x7c, none, 2, 1, "i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr"},
		{0x8b, none, 1, 1, "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt"},
		{0x92, none, 2, 1, "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign"},
		{0x99, none, 1, 1, "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt"},
		{0xa0, none, 2, 1, "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign"},
		{0xa7, none, 1, 1, "i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u " +
			"i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u " +
			"f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64 " +
			"f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32 " +
			"i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 " +
			"i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s"},
		{0xd0, refType, 0, 1, "ref.null"},
		{0xd1, none, 1, 1, "ref.is_null"},
		{0xd2, declaredFunction, 0, 1, "ref.func"},

		{prefixMisc, none, 1, 1, "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u " +
			"i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u"},
		{OpMemoryInit, dataAndZero, 3, 0, "memory.init"},
		{OpDataDrop, dataIndex, 0, 0, "data.drop"},
		{OpMemoryCopy, zeroBytes, 3, 0, "memory.copy"},
		{OpMemoryFill, zeroByte, 3, 0, "memory.fill"},
		{OpTableInit, elementAndTable, 3, 0, "table.init"},
		{OpElemDrop, elementIndex, 0, 0, "elem.drop"},
		{OpTableCopy, tableAndTable, 3, 0, "table.copy"},
		{OpTableGrow, tableIndex, 2, 1, "table.grow"},
		{prefixMisc + 16, tableIndex, 0, 1, "table.size"},
		{OpTableFill, tableIndex, 3, 0, "table.fill"},

		{prefixVector + 0x00, memory, 1, 1, "v128.load:4 v128.load8x8_s:3 v128.load8x8_u:3 v128.load16x4_s:3 v128.load16x4_u:3 v128.load32x2_s:3 v128.load32x2_u:3 " +
			"v128.load8_splat:0 v128.load16_splat:1 v128.load32_splat:2 v128.load64_splat:3"},
		{prefixVector + 0x0b, memory, 2, 0, "v128.store:4"},
		{prefixVector + 0x0c, bytes16, 0, 1, "v128.const"},
		{prefixVector + 0x0d, lanes16, 2, 1, "i8x16.shuffle"},
		{prefixVector + 0x0e, none, 2, 1, "i8x16.swizzle"},
		{prefixVector + 0x0f, none, 1, 1, "i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat"},
		{prefixVector + 0x15, lane, 1, 1, "i8x16.extract_lane_s:15 i8x16.extract_lane_u:15"},
		{prefixVector + 0x17, lane, 2, 1, "i8x16.replace_lane:15"},
		{prefixVector + 0x18, lane, 1, 1, "i16x8.extract_lane_s:7 i16x8.extract_lane_u:7"},
		{prefixVector + 0x1a, lane, 2, 1, "i16x8.replace_lane:7"},
		{prefixVector + 0x1b, lane, 1, 1, "i32x4.extract_lane:3"},
		{prefixVector + 0x1c, lane, 2, 1, "i32x4.replace_lane:3"},
		{prefixVector + 0x1d, lane, 1, 1, "i64x2.extract_lane:1"},
		{prefixVector + 0x1e, lane, 2, 1, "i64x2.replace_lane:1"},
		{prefixVector + 0x1f, lane, 1, 1, "f32x4.extract_lane:3"},
		{prefixVector + 0x20, lane, 2, 1, "f32x4.replace_lane:3"},
		{prefixVector + 0x21, lane, 1, 1, "f64x2.extract_lane:1"},
		{prefixVector + 0x22, lane, 2, 1, "f64x2.replace_lane:1"},
		{prefixVector + 0x23, none, 2, 1, "i8x16.eq i8x16.ne i8x16.lt_s i8x16.lt_u i8x16.gt_s i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u " +
			"i16x8.eq i16x8.ne i16x8.lt_s i16x8.lt_u i16x8.gt_s i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u " +
			"i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u " +
			"f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt f64x2.gt f64x2.le f64x2.ge"},
		{prefixVector + 0x4d, none, 1, 1, "v128.not"},
		{prefixVector + 0x4e, none, 2, 1, "v128.and v128.andnot v128.or v128.xor"},
		{prefixVector + 0x52, none, 3, 1, "v128.bitselect"},
		{prefixVector + 0x53, none, 1, 1, "v128.any_true"},
		{prefixVector + 0x54, memoryLane, 2, 1, "v128.load8_lane:0 v128.load16_lane:1 v128.load32_lane:2 v128.load64_lane:3"},
		{prefixVector + 0x58, memoryLane, 2, 0, "v128.store8_lane:0 v128.store16_lane:1 v128.store32_lane:2 v128.store64_lane:3"},
		{prefixVector + 0x5c, memory, 1, 1, "v128.load32_zero:2 v128.load64_zero:3"},
		{prefixVector + 0x5e, none, 1, 1, "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4 i8x16.abs i8x16.neg i8x16.popcnt i8x16.all_true i8x16.bitmask"},
		{prefixVector + 0x65, none, 2, 1, "i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u"},
		{prefixVector + 0x67, none, 1, 1, "f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest"},
		{prefixVector + 0x6b, none, 2, 1, "i8x16.shl i8x16.shr_s i8x16.shr_u i8x16.add i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u"},
		{prefixVector + 0x74, none, 1, 1, "f64x2.ceil f64x2.floor"},
		{prefixVector + 0x76, none, 2, 1, "i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u"},
		{prefixVector + 0x7a, none, 1, 1, "f64x2.trunc"},
		{prefixVector + 0x7b, none, 2, 1, "i8x16.avgr_u"},
		{prefixVector + 0x7c, none, 1, 1, "i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u i16x8.abs i16x8.neg"},
		{prefixVector + 0x82, none, 2, 1, "i16x8.q15mulr_sat_s"},
		{prefixVector + 0x83, none, 1, 1, "i16x8.all_true i16x8.bitmask"},
		{prefixVector + 0x85, none, 2, 1, "i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u"},
		{prefixVector + 0x87, none, 1, 1, "i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u"},
		{prefixVector + 0x8b, none, 2, 1, "i16x8.shl i16x8.shr_s i16x8.shr_u i16x8.add i16x8.add_sat_s i16x8.add_sat_u i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u"},
		{prefixVector + 0x94, none, 1, 1, "f64x2.nearest"},
		{prefixVector + 0x95, none, 2, 1, "i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u " +
			"i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u"},
		{prefixVector + 0xa0, none, 1, 1, "i32x4.abs i32x4.neg - i32x4.all_true i32x4.bitmask - - i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u"},
		{prefixVector + 0xab, none, 2, 1, "i32x4.shl i32x4.shr_s i32x4.shr_u i32x4.add - - i32x4.sub - - - i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s - " +
			"i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u"},
		{prefixVector + 0xc0, none, 1, 1, "i64x2.abs i64x2.neg - i64x2.all_true i64x2.bitmask - - i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u"},
		{prefixVector + 0xcb, none, 2, 1, "i64x2.shl i64x2.shr_s i64x2.shr_u i64x2.add - - i64x2.sub - - - i64x2.mul i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s i64x2.ge_s " +
			"i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u"},
		{prefixVector + 0xe0, none, 1, 1, "f32x4.abs f32x4.neg - f32x4.sqrt"},
		{prefixVector + 0xe4, none, 2, 1, "f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax"},
		{prefixVector + 0xec, none, 1, 1, "f64x2.abs f64x2.neg - f64x2.sqrt"},
		{prefixVector + 0xf0, none, 2, 1, "f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax"},
		{prefixVector + 0xf8, none, 1, 1, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u " +
			"i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u"},
	} {
		for i, name := range strings.Fields(row.names) {
			if name == "-" {
				continue
			}
			name, digits, _ := strings.Cut(name, ":")
			var most byte
			for _, d := range digits {
				most = most*10 + byte(d-'0')
			}
			all[row.first+Op(i)] = opcode{name, row.operand, most, row.pops, row.pushes}
		}
	}
	return all
}
