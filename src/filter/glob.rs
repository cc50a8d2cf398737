//! Patterns of names of unix sockets: those of fnmatch, as in ss.

/// Which names a pattern is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Any.
    Any,
    /// Abstract names, of which zeros are written as `@`.
    Abstract,
    /// Paths.
    Path,
}

/// A pattern: `*` is any text, `?` any byte, `[a-z]` one of these, and what follows a backslash
/// itself. As in ss, `*` is also slashes and large letters are like small ones.
///
/// A name that is letter by letter the pattern passes as well, so that a name with a bracket in it
/// can be copied from what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    pattern: Vec<u8>,
    naming: Naming,
}

impl Glob {
    /// A pattern of names.
    pub fn new(pattern: &[u8], naming: Naming) -> Glob {
        Glob {
            pattern: pattern.to_vec(),
            naming,
        }
    }

    /// Whether a name passes: the bytes of `sun_path`, nothing of a socket without a name.
    pub fn matches(&self, name: &[u8]) -> bool {
        let is_abstract = name.first() == Some(&0);
        match self.naming {
            Naming::Abstract if !is_abstract => return false,
            Naming::Path if is_abstract => return false,
            Naming::Any | Naming::Abstract | Naming::Path => {}
        }
        let shown = |byte: &u8| match byte {
            0 if is_abstract => b'@',
            byte => byte.to_ascii_lowercase(),
        };
        let name: Vec<u8> = name.iter().map(shown).collect();
        name.eq_ignore_ascii_case(&self.pattern) || is_match(&self.pattern, &name)
    }
}

/// Whether a text, in small letters, fits a pattern. A star is first tried as nothing, then with a
/// byte more each time that what follows it does not fit; only the last one need be.
fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut rest) = (0, text);
    // Behind the last star, and what it has not swallowed.
    let mut star: Option<(usize, &[u8])> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, rest));
            continue;
        }
        let Some((&byte, behind)) = rest.split_first() else {
            return at == pattern.len();
        };
        match one(&pattern[at..]) {
            Some((one, length)) if one.is(byte) => {
                at += length;
                rest = behind;
            }
            _ => match star.and_then(|(at, swallowed)| Some((at, swallowed.get(1..)?))) {
                Some(next) => {
                    star = Some(next);
                    (at, rest) = next;
                }
                None => return false,
            },
        }
    }
}

/// What one byte may be.
enum One<'a> {
    Any,
    Byte(u8),
    /// What stands in brackets, and whether it is to be none of these.
    Class(&'a [u8], bool),
}

impl One<'_> {
    fn is(&self, byte: u8) -> bool {
        match self {
            One::Any => true,
            One::Byte(wanted) => wanted.eq_ignore_ascii_case(&byte),
            One::Class(members, negated) => is_member(members, byte) != *negated,
        }
    }
}

/// What a pattern begins with, and its length; `None` of an empty one, and where there is nothing
/// behind a backslash.
fn one(pattern: &[u8]) -> Option<(One<'_>, usize)> {
    Some(match *pattern.first()? {
        b'?' => (One::Any, 1),
        b'\\' => (One::Byte(*pattern.get(1)?), 2),
        b'[' => class(pattern).unwrap_or((One::Byte(b'['), 1)),
        byte => (One::Byte(byte), 1),
    })
}

/// What stands in brackets; `None` where they are not closed, so that there are none.
fn class(pattern: &[u8]) -> Option<(One<'_>, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = 1 + usize::from(negated);
    let mut at = start;
    // A closing one that comes first is a member.
    while at == start || *pattern.get(at)? != b']' {
        at += member(pattern.get(at..)?)?.1;
    }
    Some((One::Class(&pattern[start..at], negated), at + 1))
}

/// A member of a class, and its length. Of names such as `[:digit:]` it is the name.
fn member(members: &[u8]) -> Option<(Member<'_>, usize)> {
    match members {
        [b'[', b':', rest @ ..] => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_lowercase());
            let (name, behind) = rest.split_at(length.count());
            Some(match behind {
                [b':', b']', ..] => (Member::Named(name), name.len() + 4),
                _ => (Member::Byte(b'['), 1),
            })
        }
        [b'\\', byte, ..] => Some((Member::Byte(*byte), 2)),
        [byte, ..] => Some((Member::Byte(*byte), 1)),
        [] => None,
    }
}

enum Member<'a> {
    Byte(u8),
    Named(&'a [u8]),
}

/// Whether a byte, a small letter if it is one, is among the members of a class.
fn is_member(mut members: &[u8], byte: u8) -> bool {
    while let Some((first, length)) = member(members) {
        members = &members[length..];
        let is_it = match first {
            Member::Named(name) => is_of(name, byte),
            Member::Byte(from) => {
                let range = members.strip_prefix(b"-").and_then(member);
                match range {
                    Some((Member::Byte(to), length)) => {
                        members = &members[1 + length..];
                        let bounds = from.to_ascii_lowercase()..=to.to_ascii_lowercase();
                        bounds.contains(&byte)
                    }
                    _ => from.eq_ignore_ascii_case(&byte),
                }
            }
        };
        if is_it {
            return true;
        }
    }
    false
}

/// Whether a byte is of a kind that POSIX has a name for.
fn is_of(kind: &[u8], byte: u8) -> bool {
    match kind {
        b"alpha" | b"upper" | b"lower" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == b'\x0b',
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"graph" => byte.is_ascii_graphic(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, name: &[u8], expected: bool) {
        let glob = Glob::new(pattern.as_bytes(), Naming::Any);
        assert_eq!(glob.matches(name), expected, "{pattern}");
    }

    #[test]
    fn patterns_are_those_of_fnmatch() {
        check("/run/foo.sock", b"/run/foo.sock", true);
        check("/run/foo", b"/run/foo.sock", false);
        check("/run/*", b"/run/a/b", true);
        check("*", b"", true);
        check("", b"", true);
        check("", b"/a", false);
        check("/RUN/f?o", b"/run/Foo", true);
        check("/[a-c]", b"/b", true);
        check("/[!a-c]", b"/b", false);
        check("/[]x]", b"/]", true);
        check("/[[:digit:]x-z]", b"/7", true);
        check("/[[:digit:]x-z]", b"/w", false);
        check(r"/a\*b", b"/a*b", true);
        check(r"/a\*b", b"/axb", false);
        check("/a[b", b"/a[b", true);
        check("*a*b*c", b"xaxbxbxc", true);
        check("*a*b*c", b"xaxbxbx", false);
    }

    #[test]
    fn a_name_is_a_pattern_of_itself() {
        check("/a[1]", b"/a[1]", true);
        check("/a[1]", b"/a1", true);
        check(r"/a\b", br"/a\b", true);
        check(r"/a\", br"/a\", true);
    }

    #[test]
    fn abstract_names_and_paths() {
        for (naming, of_abstract, of_path) in [
            (Naming::Any, true, true),
            (Naming::Abstract, true, false),
            (Naming::Path, false, true),
        ] {
            let glob = Glob::new(b"@a@*", naming);
            assert_eq!(glob.matches(b"\0a\0b"), of_abstract);
            assert_eq!(glob.matches(b"@a@b"), of_path);
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(50) + "b";
        check(&pattern, &[b'a'; 108], false);
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(
            pattern in proptest::collection::vec(prop::sample::select(b"[]!^-\\*?a:.=@".to_vec()), 0..12),
            name in proptest::collection::vec(any::<u8>(), 0..6),
        ) {
            Glob::new(&pattern, Naming::Any).matches(&name);
        }
    }
}
