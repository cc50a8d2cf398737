//! The kernel's description of its own types (BTF), as far as it is needed to find a type by its
//! name and a field by its name.
//!
//! Nothing is indexed: the description has some 100,000 types, a handful is asked for, once.

use std::ffi::CStr;

const MAGIC: u16 = 0xEB9F;
/// Length of a type without what depends on its kind: name, info, and size or another type.
const TYPE_LEN: usize = 12;
/// Length of a member of a struct: name, type, offset.
const MEMBER_LEN: usize = 12;
/// Structs without a name that are looked into for one field: far more than the kernel has in one
/// another, and an end to a description that goes in circles.
const MOST_NAMELESS: usize = 64;

const STRUCT: u8 = 4;
const UNION: u8 = 5;
const FUNCTION: u8 = 12;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Struct,
    Function,
}

/// A description: `struct btf_header`, types, strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// One type: `struct btf_type` and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    /// The first type after `void` has 1.
    pub(super) id: u32,
    name: u32,
    kind: u8,
    /// Whether offsets of members have their length in bits in the upper eight.
    has_bitfields: bool,
    details: &'a [u8],
}

/// Where a field is from the start of a struct, in bits; `length` is 0 unless it is a bit field.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    length: u32,
}

/// A bit field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    /// The byte that it is in, from the start of the struct.
    pub(super) byte: u32,
    /// How far it is shifted in it, after which this much of it counts.
    shift: u32,
    mask: u8,
}

impl Bits {
    /// A whole byte.
    #[cfg(test)]
    pub(super) const fn whole(byte: u32) -> Bits {
        Bits {
            byte,
            shift: 0,
            mask: 0xFF,
        }
    }

    /// Its value, of its byte.
    pub(super) const fn of(self, byte: u8) -> u8 {
        byte >> self.shift & self.mask
    }
}

impl<'a> Btf<'a> {
    /// Takes a description in the byte order of this machine apart; `None` when it is none.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Btf<'a>> {
        let magic = u16::from_ne_bytes(*bytes.first_chunk()?);
        let header_len = word(bytes, 4)? as usize;
        let body = bytes.get(header_len..).filter(|_| magic == MAGIC)?;
        let section = |at| {
            let start = word(bytes, at)? as usize;
            body.get(start..)?.get(..word(bytes, at + 4)? as usize)
        };
        Some(Btf {
            types: section(8)?,
            strings: section(16)?,
        })
    }

    /// All types, up to the end or the first that makes no sense.
    fn types(self) -> impl Iterator<Item = Type<'a>> {
        let mut rest = self.types;
        (1..).map_while(move |id| {
            let info = word(rest, 4)?;
            let count = (info & 0xFFFF) as usize;
            let kind = (info >> 24 & 0x1F) as u8;
            let end = TYPE_LEN + details_len(kind, count)?;
            let this = Type {
                id,
                name: word(rest, 0)?,
                kind,
                has_bitfields: info >> 31 == 1,
                details: rest.get(TYPE_LEN..end)?,
            };
            rest = &rest[end..];
            Some(this)
        })
    }

    /// The first type of each kind and name, in one pass.
    pub(super) fn find<const N: usize>(self, wanted: [(Kind, &CStr); N]) -> [Option<Type<'a>>; N] {
        let mut found = [None; N];
        let mut missing = N;
        for one in self.types() {
            let kind = match one.kind {
                STRUCT => Kind::Struct,
                FUNCTION => Kind::Function,
                _ => continue,
            };
            for (place, (wanted, name)) in found.iter_mut().zip(wanted) {
                if place.is_none() && kind == wanted && self.is_named(one.name, name) {
                    *place = Some(one);
                    missing -= 1;
                }
            }
            if missing == 0 {
                break;
            }
        }
        found
    }

    /// Where a field is, in bytes from the start of a struct. It may be in a struct or union
    /// without a name within; it may not be a bit field.
    pub(super) fn offset(self, within: &Type<'_>, field: &CStr) -> Option<u32> {
        let place = self.place(within, field, &mut { MOST_NAMELESS })?;
        (place.length == 0 && place.start % 8 == 0).then_some(place.start / 8)
    }

    /// Where a bit field is that lies in one byte.
    pub(super) fn bits(self, within: &Type<'_>, field: &CStr) -> Option<Bits> {
        let Place { start, length } = self.place(within, field, &mut { MOST_NAMELESS })?;
        let after = 8_u32.checked_sub(start % 8 + length)?;
        let mask = u8::MAX.checked_shr(8 - length)?;
        // Bits are counted as the compiler fills them, from the end that the machine calls first.
        let shift = if cfg!(target_endian = "little") {
            start % 8
        } else {
            after
        };
        Some(Bits {
            byte: start / 8,
            shift,
            mask,
        })
    }

    fn place(self, within: &Type<'_>, field: &CStr, left: &mut usize) -> Option<Place> {
        let members = || within.details.chunks_exact(MEMBER_LEN);
        let place = |member| {
            let offset = word(member, 8)?;
            let (length, start) = if within.has_bitfields {
                (offset >> 24, offset & 0xFF_FFFF)
            } else {
                (0, offset)
            };
            Some(Place { start, length })
        };
        let named = |member: &&[u8]| word(member, 0).is_some_and(|name| self.is_named(name, field));
        if let Some(member) = members().find(named) {
            return place(member);
        }
        members()
            .filter(|member| word(member, 0).is_some_and(|name| self.is_named(name, c"")))
            .find_map(|member| {
                *left = left.checked_sub(1)?;
                let id = word(member, 4)?.checked_sub(1)?;
                let inner = self.types().nth(id as usize)?;
                let is_record = matches!(inner.kind, STRUCT | UNION);
                let found = self.place(is_record.then_some(&inner)?, field, left)?;
                Some(Place {
                    start: place(member)?.start.checked_add(found.start)?,
                    ..found
                })
            })
    }

    /// Whether anything at all has this name.
    pub(super) fn has(self, name: &CStr) -> bool {
        let mut names = self.strings.split(|&byte| byte == 0);
        names.any(|one| one == name.to_bytes())
    }

    fn is_named(self, offset: u32, name: &CStr) -> bool {
        self.strings
            .get(offset as usize..)
            .is_some_and(|text| text.starts_with(name.to_bytes_with_nul()))
    }
}

/// Length of what follows a type of a kind with a count; `None` of a kind that came later.
const fn details_len(kind: u8, count: usize) -> Option<usize> {
    Some(match kind {
        // Pointers, forward declarations, typedefs and qualifiers, functions, floats, tags.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, tags of declarations.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Enumerations, parameters.
        6 | 13 => 8 * count,
        // Structs, unions, sections, long enumerations.
        STRUCT | UNION | 15 | 19 => 12 * count,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A description in the making.
    #[derive(Default)]
    struct Writer {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Writer {
        fn words(&mut self, words: &[u32]) {
            self.types
                .extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }

        fn name(&mut self, name: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if name.is_empty() {
                return 0;
            }
            let offset = self.strings.len() as u32;
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            offset
        }

        /// A type with this many members, each three words: name, type, offset.
        fn record(&mut self, kind: u8, flag: bool, name: &str, members: &[(&str, u32, u32)]) {
            let info = u32::from(flag) << 31 | u32::from(kind) << 24 | members.len() as u32;
            let name = self.name(name);
            self.words(&[name, info, 64]);
            for (name, id, offset) in members {
                let name = self.name(name);
                self.words(&[name, *id, *offset]);
            }
        }

        fn finish(self) -> Vec<u8> {
            let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
            let mut bytes = MAGIC.to_ne_bytes().to_vec();
            bytes.extend([1, 0]);
            for word in [24, 0, types, types, strings] {
                bytes.extend(u32::to_ne_bytes(word));
            }
            bytes.extend(self.types);
            bytes.extend(self.strings);
            bytes
        }
    }

    /// One of each thing that has to be understood.
    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        let int = writer.name("int");
        writer.words(&[int, 1 << 24, 4, 32]); // 1
        writer.record(UNION, false, "", &[("deep", 1, 0), ("other", 1, 0)]); // 2
        writer.record(STRUCT, false, "", &[("first", 1, 0), ("", 2, 32)]); // 3
        writer.record(
            STRUCT,
            true,
            "file",
            &[
                ("", 3, 64),
                ("bits", 1, 3 << 24 | 128),
                ("plain", 1, 160),
                ("odd", 1, 161),
                ("three", 1, 3 << 24 | 202),
                ("all", 1, 8 << 24 | 208),
                ("across", 1, 3 << 24 | 206),
                ("", 9, 216),
            ],
        ); // 4
        writer.words(&[0, 13 << 24 | 1, 0, 0, 1]); // 5: a function's type
        let function = writer.name("file");
        writer.words(&[function, 12 << 24, 5]); // 6
        writer.record(STRUCT, false, "round", &[("", 7, 0)]); // 7
        writer.record(STRUCT, false, "file", &[("plain", 1, 8)]); // 8: not the first
        writer.record(STRUCT, true, "", &[("inner", 1, 1 << 24 | 9)]); // 9
        writer.finish()
    }

    fn offset(bytes: &[u8], name: &CStr, field: &CStr) -> Option<u32> {
        let btf = Btf::new(bytes)?;
        let [found] = btf.find([(Kind::Struct, name)]);
        btf.offset(&found?, field)
    }

    fn bits(bytes: &[u8], field: &CStr) -> Option<Bits> {
        let btf = Btf::new(bytes)?;
        let [found] = btf.find([(Kind::Struct, c"file")]);
        btf.bits(&found?, field)
    }

    #[test]
    fn fields_are_found_by_name_and_through_what_has_none() {
        let bytes = sample();
        let of_file = |field| offset(&bytes, c"file", field);
        assert_eq!(of_file(c"plain"), Some(20));
        assert_eq!(of_file(c"first"), Some(8));
        assert_eq!(of_file(c"deep"), Some(12));
        assert_eq!(of_file(c"other"), Some(12));
        for none in [c"bits", c"odd", c"plai", c"plain2", c"lain"] {
            assert_eq!(of_file(none), None, "{none:?}");
        }
        assert_eq!(offset(&bytes, c"round", c"x"), None);
        assert_eq!(offset(&bytes, c"none", c"x"), None);
    }

    #[test]
    fn bit_fields_are_found_that_lie_in_one_byte() {
        let bytes = sample();
        let value = |field, byte, content: [u8; 2]| {
            let bits = bits(&bytes, field).unwrap();
            assert_eq!(bits.byte, byte, "{field:?}");
            // The second is the content where bits are counted from the other end.
            bits.of(content[usize::from(cfg!(target_endian = "big"))])
        };
        assert_eq!(value(c"bits", 16, [0b1111_1101, 0b1011_1111]), 0b101);
        assert_eq!(value(c"three", 25, [0b1110_1011, 0b1101_0111]), 0b010);
        assert_eq!(value(c"all", 26, [0xA5, 0xA5]), 0xA5);
        assert_eq!(value(c"inner", 28, [0b10, 0b0100_0000]), 1);
        for none in [c"plain", c"first", c"across", c"absent"] {
            assert_eq!(bits(&bytes, none), None, "{none:?}");
        }
    }

    #[test]
    fn types_are_found_by_kind_and_name() {
        let bytes = sample();
        let btf = Btf::new(&bytes).unwrap();
        let found = btf.find([
            (Kind::Function, c"file"),
            (Kind::Struct, c"file"),
            (Kind::Function, c"round"),
        ]);
        assert_eq!(
            found.map(|one| one.map(|one| one.id)),
            [Some(6), Some(4), None]
        );
    }

    #[test]
    fn no_description_is_trusted() {
        let bytes = sample();
        for length in 0..bytes.len() {
            // All that is lost with the last byte is the end of the last name.
            let _ = offset(&bytes[..length], c"file", c"deep");
        }
        assert!(Btf::new(&bytes[..bytes.len() - 1]).is_none());
        let mut swapped = bytes;
        swapped[..2].reverse();
        assert!(Btf::new(&swapped).is_none());
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(places in prop::collection::vec((0usize..400, any::<u8>()), 1..6)) {
            let mut bytes = sample();
            for (place, value) in places {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            for field in [c"plain", c"deep", c"absent", c"three", c"inner"] {
                let _ = offset(&bytes, c"file", field);
                let _ = bits(&bytes, field);
            }
        }
    }
}
