//! The instructions of BPF, as many as are used here, and the functions that they call.

/// A register of the machine that BPF programs run on: 1 to 5 are the arguments of a call and
/// overwritten by it, 0 is its result, 6 to 9 are kept, 10 points behind the stack.
pub(super) type Register = u8;

/// One instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    code: u8,
    /// Two registers of four bits each.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn instruction(
    code: u8,
    to: Register,
    from: Register,
    offset: i16,
    immediate: i32,
) -> Instruction {
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    Instruction {
        code,
        registers,
        offset,
        immediate,
    }
}

/// `to = *(u64 *)(from + offset)`
pub(super) const fn load64(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x79, to, from, offset, 0)
}

/// `to = *(u32 *)(from + offset)`
pub(super) const fn load32(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x61, to, from, offset, 0)
}

/// `to = *(u16 *)(from + offset)`
pub(super) const fn load16(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x69, to, from, offset, 0)
}

/// `to = *(u8 *)(from + offset)`
pub(super) const fn load8(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x71, to, from, offset, 0)
}

/// `*(u64 *)(to + offset) = from`
pub(super) const fn store64(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x7b, to, from, offset, 0)
}

/// `*(u32 *)(to + offset) = from`
pub(super) const fn store32(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x63, to, from, offset, 0)
}

/// `to = from`
pub(super) const fn copy(to: Register, from: Register) -> Instruction {
    instruction(0xbf, to, from, 0, 0)
}

/// `to = value`
pub(super) const fn set(to: Register, value: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, value)
}

/// `to += value`
pub(super) const fn add(to: Register, value: i32) -> Instruction {
    instruction(0x07, to, 0, 0, value)
}

/// `if left == value { skip instructions }`
pub(super) const fn skip_if_is(left: Register, value: i32, skip: i16) -> Instruction {
    instruction(0x15, left, 0, skip, value)
}

/// `if left != value { skip instructions }`
pub(super) const fn skip_if_is_not(left: Register, value: i32, skip: i16) -> Instruction {
    instruction(0x55, left, 0, skip, value)
}

/// `if left == right { skip instructions }`
pub(super) const fn skip_if_same(left: Register, right: Register, skip: i16) -> Instruction {
    instruction(0x1d, left, right, skip, 0)
}

/// `r0 = function(r1, …)`
pub(super) const fn call(function: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, function)
}

/// `return r0`
pub(super) const EXIT: Instruction = instruction(0x95, 0, 0, 0, 0);

/// `long bpf_seq_write(struct seq_file *, const void *data, u32 len)`
pub(super) const SEQ_WRITE: i32 = 127;
/// `long bpf_probe_read_kernel(void *to, u32 len, const void *from)`, which is not 0 where `from`
/// cannot be read.
pub(super) const PROBE_READ: i32 = 113;

/// Where the jumps of a program lead to, for its test.
#[cfg(test)]
pub(super) fn jumps(program: &[Instruction]) -> Vec<usize> {
    // What the kernel goes by.
    assert_eq!(size_of::<Instruction>(), 8);
    let is_jump = |code: u8| matches!(code, 0x15 | 0x1d | 0x55);
    let jumps = program.iter().enumerate();
    jumps
        .filter(|(_, one)| is_jump(one.code))
        .map(|(at, one)| at + 1 + usize::try_from(one.offset).unwrap())
        .collect()
}
