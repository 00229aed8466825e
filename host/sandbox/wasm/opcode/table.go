package opcode

import "strings"

// infos has every instruction of Core 2. It is never changed.
var infos = table()

// table spreads the rows: names for consecutive opcodes, "-" for a gap. A
// digit behind a colon is the greatest alignment or lane.
func table() (all [Count]Info) {
	for _, row := range [...]struct {
		first        Op
		operand      Operand
		pops, pushes int8
		names        string
	}{
		{0x00, Control, 0, 0, "unreachable"},
		{0x01, NoOperand, 0, 0, "nop"},
		{0x02, BlockType, 0, 0, "block loop"},
		{0x04, BlockType, 1, 0, "if"},
		{0x05, Control, 0, 0, "else"},
		{0x0b, Control, 0, 0, "end"},
		{0x0c, Label, 0, 0, "br"},
		{0x0d, Label, 1, 0, "br_if"},
		{0x0e, Labels, 1, 0, "br_table"},
		{0x0f, Control, 0, 0, "return"},
		{0x10, FunctionIndex, 0, 0, "call"},
		{0x11, TypeAndTable, 1, 0, "call_indirect"},
		{0x1a, NoOperand, 1, 0, "drop"},
		{0x1b, NoOperand, 3, 1, "select"},
		{0x1c, ValueTypes, 3, 1, "select"},
		{0x20, LocalIndex, 0, 1, "local.get"},
		{0x21, LocalIndex, 1, 0, "local.set"},
		{0x22, LocalIndex, 1, 1, "local.tee"},
		{0x23, GlobalIndex, 0, 1, "global.get"},
		{0x24, GlobalIndex, 1, 0, "global.set"},
		{0x25, TableIndex, 1, 1, "table.get"},
		{0x26, TableIndex, 2, 0, "table.set"},
		{0x28, Memory, 1, 1, "i32.load:2 i64.load:3 f32.load:2 f64.load:3 i32.load8_s:0 i32.load8_u:0 i32.load16_s:1 i32.load16_u:1 " +
			"i64.load8_s:0 i64.load8_u:0 i64.load16_s:1 i64.load16_u:1 i64.load32_s:2 i64.load32_u:2"},
		{0x36, Memory, 2, 0, "i32.store:2 i64.store:3 f32.store:2 f64.store:3 i32.store8:0 i32.store16:1 i64.store8:0 i64.store16:1 i64.store32:2"},
		{0x3f, ZeroByte, 0, 1, "memory.size"},
		{0x40, ZeroByte, 1, 1, "memory.grow"},
		{0x41, I32Value, 0, 1, "i32.const"},
		{0x42, I64Value, 0, 1, "i64.const"},
		{0x43, Bytes4, 0, 1, "f32.const"},
		{0x44, Bytes8, 0, 1, "f64.const"},
		{0x45, NoOperand, 1, 1, "i32.eqz"},
		{0x46, NoOperand, 2, 1, "i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u"},
		{0x50, NoOperand, 1, 1, "i64.eqz"},
		{0x51, NoOperand, 2, 1, "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u"},
		{0x5b, NoOperand, 2, 1, "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge"},
		{0x67, NoOperand, 1, 1, "i32.clz i32.ctz i32.popcnt"},
		{0x6a, NoOperand, 2, 1, "i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr"},
		{0x79, NoOperand, 1, 1, "i64.clz i64.ctz i64.popcnt"},
		{0x7c, NoOperand, 2, 1, "i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr"},
		{0x8b, NoOperand, 1, 1, "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt"},
		{0x92, NoOperand, 2, 1, "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign"},
		{0x99, NoOperand, 1, 1, "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt"},
		{0xa0, NoOperand, 2, 1, "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign"},
		{0xa7, NoOperand, 1, 1, "i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u " +
			"i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u " +
			"f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64 " +
			"f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32 " +
			"i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 " +
			"i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s"},
		{0xd0, RefType, 0, 1, "ref.null"},
		{0xd1, NoOperand, 1, 1, "ref.is_null"},
		{0xd2, DeclaredFunction, 0, 1, "ref.func"},

		{Misc, NoOperand, 1, 1, "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u " +
			"i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u"},
		{MemoryInit, DataAndZero, 3, 0, "memory.init"},
		{DataDrop, DataIndex, 0, 0, "data.drop"},
		{MemoryCopy, ZeroBytes, 3, 0, "memory.copy"},
		{MemoryFill, ZeroByte, 3, 0, "memory.fill"},
		{TableInit, ElementAndTable, 3, 0, "table.init"},
		{ElemDrop, ElementIndex, 0, 0, "elem.drop"},
		{TableCopy, TableAndTable, 3, 0, "table.copy"},
		{TableGrow, TableIndex, 2, 1, "table.grow"},
		{Misc + 16, TableIndex, 0, 1, "table.size"},
		{TableFill, TableIndex, 3, 0, "table.fill"},

		{Vector + 0x00, Memory, 1, 1, "v128.load:4 v128.load8x8_s:3 v128.load8x8_u:3 v128.load16x4_s:3 v128.load16x4_u:3 v128.load32x2_s:3 v128.load32x2_u:3 " +
			"v128.load8_splat:0 v128.load16_splat:1 v128.load32_splat:2 v128.load64_splat:3"},
		{Vector + 0x0b, Memory, 2, 0, "v128.store:4"},
		{Vector + 0x0c, Bytes16, 0, 1, "v128.const"},
		{Vector + 0x0d, Lanes16, 2, 1, "i8x16.shuffle"},
		{Vector + 0x0e, NoOperand, 2, 1, "i8x16.swizzle"},
		{Vector + 0x0f, NoOperand, 1, 1, "i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat"},
		{Vector + 0x15, Lane, 1, 1, "i8x16.extract_lane_s:15 i8x16.extract_lane_u:15"},
		{Vector + 0x17, Lane, 2, 1, "i8x16.replace_lane:15"},
		{Vector + 0x18, Lane, 1, 1, "i16x8.extract_lane_s:7 i16x8.extract_lane_u:7"},
		{Vector + 0x1a, Lane, 2, 1, "i16x8.replace_lane:7"},
		{Vector + 0x1b, Lane, 1, 1, "i32x4.extract_lane:3"},
		{Vector + 0x1c, Lane, 2, 1, "i32x4.replace_lane:3"},
		{Vector + 0x1d, Lane, 1, 1, "i64x2.extract_lane:1"},
		{Vector + 0x1e, Lane, 2, 1, "i64x2.replace_lane:1"},
		{Vector + 0x1f, Lane, 1, 1, "f32x4.extract_lane:3"},
		{Vector + 0x20, Lane, 2, 1, "f32x4.replace_lane:3"},
		{Vector + 0x21, Lane, 1, 1, "f64x2.extract_lane:1"},
		{Vector + 0x22, Lane, 2, 1, "f64x2.replace_lane:1"},
		{Vector + 0x23, NoOperand, 2, 1, "i8x16.eq i8x16.ne i8x16.lt_s i8x16.lt_u i8x16.gt_s i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u " +
			"i16x8.eq i16x8.ne i16x8.lt_s i16x8.lt_u i16x8.gt_s i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u " +
			"i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u " +
			"f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt f64x2.gt f64x2.le f64x2.ge"},
		{Vector + 0x4d, NoOperand, 1, 1, "v128.not"},
		{Vector + 0x4e, NoOperand, 2, 1, "v128.and v128.andnot v128.or v128.xor"},
		{Vector + 0x52, NoOperand, 3, 1, "v128.bitselect"},
		{Vector + 0x53, NoOperand, 1, 1, "v128.any_true"},
		{Vector + 0x54, MemoryLane, 2, 1, "v128.load8_lane:0 v128.load16_lane:1 v128.load32_lane:2 v128.load64_lane:3"},
		{Vector + 0x58, MemoryLane, 2, 0, "v128.store8_lane:0 v128.store16_lane:1 v128.store32_lane:2 v128.store64_lane:3"},
		{Vector + 0x5c, Memory, 1, 1, "v128.load32_zero:2 v128.load64_zero:3"},
		{Vector + 0x5e, NoOperand, 1, 1, "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4 i8x16.abs i8x16.neg i8x16.popcnt i8x16.all_true i8x16.bitmask"},
		{Vector + 0x65, NoOperand, 2, 1, "i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u"},
		{Vector + 0x67, NoOperand, 1, 1, "f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest"},
		{Vector + 0x6b, NoOperand, 2, 1, "i8x16.shl i8x16.shr_s i8x16.shr_u i8x16.add i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u"},
		{Vector + 0x74, NoOperand, 1, 1, "f64x2.ceil f64x2.floor"},
		{Vector + 0x76, NoOperand, 2, 1, "i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u"},
		{Vector + 0x7a, NoOperand, 1, 1, "f64x2.trunc"},
		{Vector + 0x7b, NoOperand, 2, 1, "i8x16.avgr_u"},
		{Vector + 0x7c, NoOperand, 1, 1, "i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u i16x8.abs i16x8.neg"},
		{Vector + 0x82, NoOperand, 2, 1, "i16x8.q15mulr_sat_s"},
		{Vector + 0x83, NoOperand, 1, 1, "i16x8.all_true i16x8.bitmask"},
		{Vector + 0x85, NoOperand, 2, 1, "i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u"},
		{Vector + 0x87, NoOperand, 1, 1, "i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u"},
		{Vector + 0x8b, NoOperand, 2, 1, "i16x8.shl i16x8.shr_s i16x8.shr_u i16x8.add i16x8.add_sat_s i16x8.add_sat_u i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u"},
		{Vector + 0x94, NoOperand, 1, 1, "f64x2.nearest"},
		{Vector + 0x95, NoOperand, 2, 1, "i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u " +
			"i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u"},
		{Vector + 0xa0, NoOperand, 1, 1, "i32x4.abs i32x4.neg - i32x4.all_true i32x4.bitmask - - i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u"},
		{Vector + 0xab, NoOperand, 2, 1, "i32x4.shl i32x4.shr_s i32x4.shr_u i32x4.add - - i32x4.sub - - - i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s - " +
			"i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u"},
		{Vector + 0xc0, NoOperand, 1, 1, "i64x2.abs i64x2.neg - i64x2.all_true i64x2.bitmask - - i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u"},
		{Vector + 0xcb, NoOperand, 2, 1, "i64x2.shl i64x2.shr_s i64x2.shr_u i64x2.add - - i64x2.sub - - - i64x2.mul i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s i64x2.ge_s " +
			"i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u"},
		{Vector + 0xe0, NoOperand, 1, 1, "f32x4.abs f32x4.neg - f32x4.sqrt"},
		{Vector + 0xe4, NoOperand, 2, 1, "f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax"},
		{Vector + 0xec, NoOperand, 1, 1, "f64x2.abs f64x2.neg - f64x2.sqrt"},
		{Vector + 0xf0, NoOperand, 2, 1, "f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax"},
		{Vector + 0xf8, NoOperand, 1, 1, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u " +
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
			all[row.first+Op(i)] = Info{name, row.operand, most, row.pops, row.pushes}
		}
	}
	return all
}
