//! Ports: their class by IANA, ranges, and sets.

/// IANA's class of a port. It says nothing of this machine's `ip_local_port_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortClass {
    /// 0–1023.
    System,
    /// 1024–49151.
    Registered,
    /// 49152–65535.
    Dynamic,
}

impl PortClass {
    /// The class of a port.
    pub const fn of(port: u16) -> PortClass {
        match port {
            0..=1023 => PortClass::System,
            1024..=49151 => PortClass::Registered,
            49152.. => PortClass::Dynamic,
        }
    }

    /// The name in every format.
    pub const fn name(self) -> &'static str {
        match self {
            PortClass::System => "system",
            PortClass::Registered => "registered",
            PortClass::Dynamic => "dynamic",
        }
    }
}

/// A range of ports, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range from `first` to `last`; `None` when they are the wrong way round.
    pub const fn new(first: u16, last: u16) -> Option<PortRange> {
        if first <= last {
            Some(PortRange { first, last })
        } else {
            None
        }
    }

    /// Its first port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// Its last port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// Whether the port lies in it.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many ports it has.
    pub const fn len(self) -> u32 {
        (self.last - self.first) as u32 + 1
    }

    /// The words of a [`PortSet`] that it touches, and its bits in each.
    fn words(self) -> impl Iterator<Item = (usize, u64)> {
        let (first, last) = (usize::from(self.first / 64), usize::from(self.last / 64));
        let above = !0 << (self.first % 64);
        let below = !0 >> (63 - self.last % 64);
        (first..=last).map(move |index| {
            let from_first = if index == first { above } else { !0 };
            let to_last = if index == last { below } else { !0 };
            (index, from_first & to_last)
        })
    }

    /// Never: a range has at least one port.
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// How many words a [`PortSet`] has.
const WORDS: usize = 1024;

/// A set of ports: one bit each, 8 KiB; none of them before the first port, as many sets stay
/// empty.
#[derive(Clone, Debug, Default)]
pub struct PortSet {
    words: Option<Box<[u64; WORDS]>>,
}

impl PortSet {
    /// The set without ports.
    pub const fn new() -> PortSet {
        PortSet { words: None }
    }

    fn words(&self) -> &[u64] {
        self.words.as_deref().map_or(&[], |words| words)
    }

    fn words_mut(&mut self) -> &mut [u64; WORDS] {
        self.words.get_or_insert_with(|| Box::new([0; WORDS]))
    }

    /// Adds a port.
    pub fn insert(&mut self, port: u16) {
        self.words_mut()[usize::from(port / 64)] |= 1 << (port % 64);
    }

    /// Adds every port of a range.
    pub fn insert_range(&mut self, range: PortRange) {
        let own = self.words_mut();
        for (index, mask) in range.words() {
            own[index] |= mask;
        }
    }

    /// Every second port of a range, from its first on.
    pub fn every_second(range: PortRange) -> PortSet {
        let pattern = 0x5555_5555_5555_5555 << (range.first % 2);
        let mut set = PortSet::new();
        let own = set.words_mut();
        for (index, mask) in range.words() {
            own[index] = mask & pattern;
        }
        set
    }

    /// Takes a port out.
    pub fn remove(&mut self, port: u16) {
        if let Some(own) = &mut self.words {
            own[usize::from(port / 64)] &= !(1 << (port % 64));
        }
    }

    /// Adds every port of another set.
    pub fn union(&mut self, other: &PortSet) {
        if let Some(others) = &other.words {
            for (word, more) in self.words_mut().iter_mut().zip(others.iter()) {
                *word |= more;
            }
        }
    }

    /// Takes every port out that is not in another set.
    pub fn intersect(&mut self, other: &PortSet) {
        match (&mut self.words, &other.words) {
            (Some(own), Some(others)) => {
                for (word, more) in own.iter_mut().zip(others.iter()) {
                    *word &= more;
                }
            }
            _ => self.words = None,
        }
    }

    /// Takes every port of another set out.
    pub fn subtract(&mut self, other: &PortSet) {
        if let (Some(own), Some(others)) = (&mut self.words, &other.words) {
            for (word, less) in own.iter_mut().zip(others.iter()) {
                *word &= !less;
            }
        }
    }

    /// Takes every port out.
    pub fn clear(&mut self) {
        if let Some(own) = &mut self.words {
            own.fill(0);
        }
    }

    /// How many ports are in the set.
    pub fn len(&self) -> u32 {
        self.words().iter().map(|word| word.count_ones()).sum()
    }

    /// Whether no port is in the set.
    pub fn is_empty(&self) -> bool {
        self.words().iter().all(|&word| word == 0)
    }

    /// Its ports, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words().iter().zip(0u16..).flat_map(|(&word, index)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(index * 64 + bit as u16)
            })
        })
    }

    /// Its ports as the kernel writes them: `40000-40004,40010`; empty for none.
    pub fn ranges(&self) -> String {
        let mut text = String::new();
        let mut push = |first: u16, last: u16| {
            let comma = if text.is_empty() { "" } else { "," };
            text += &match first == last {
                true => format!("{comma}{first}"),
                false => format!("{comma}{first}-{last}"),
            };
        };
        let mut run: Option<(u16, u16)> = None;
        for port in self.iter() {
            run = match run {
                Some((first, last)) if last.checked_add(1) == Some(port) => Some((first, port)),
                Some((first, last)) => {
                    push(first, last);
                    Some((port, port))
                }
                None => Some((port, port)),
            };
        }
        if let Some((first, last)) = run {
            push(first, last);
        }
        text
    }

    /// Whether the port is in the set.
    pub fn contains(&self, port: u16) -> bool {
        let word = self.words().get(usize::from(port / 64));
        word.is_some_and(|word| word & (1 << (port % 64)) != 0)
    }

    /// How many ports of the range are in the set.
    pub fn count_in(&self, range: PortRange) -> u32 {
        let own = self.words();
        range
            .words()
            .filter_map(|(index, mask)| Some((own.get(index)? & mask).count_ones()))
            .sum()
    }
}

impl PartialEq for PortSet {
    fn eq(&self, other: &PortSet) -> bool {
        match (&self.words, &other.words) {
            (Some(own), Some(others)) => own == others,
            _ => self.is_empty() && other.is_empty(),
        }
    }
}

impl Eq for PortSet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_made_word_by_word_as_port_by_port() {
        for (first, last) in [
            (0, 0),
            (1, 63),
            (40_000, 40_019),
            (32_769, 60_999),
            (63, 65_535),
        ] {
            let range = PortRange::new(first, last).unwrap();
            let mut whole = PortSet::new();
            whole.insert_range(range);
            assert!(whole.iter().eq(first..=last), "{first}-{last}");
            let second = PortSet::every_second(range);
            assert!(
                second.iter().eq((first..=last).step_by(2)),
                "{first}-{last}"
            );
            whole.intersect(&second);
            assert_eq!(whole, second);
        }
    }

    #[test]
    fn ports_of_a_range_are_counted_to_its_ends() {
        let mut set = PortSet::new();
        for port in [0, 1, 63, 64, 65, 127, 128, 40_000, 65_534, 65_535] {
            set.insert(port);
        }
        for (first, last) in [
            (0, 0),
            (1, 63),
            (63, 64),
            (64, 127),
            (2, 62),
            (65, 128),
            (0, 65_535),
            (65_535, 65_535),
            (128, 40_000),
        ] {
            let range = PortRange::new(first, last).unwrap();
            let expected = (first..=last).filter(|&port| set.contains(port)).count();
            assert_eq!(set.count_in(range) as usize, expected, "{first}-{last}");
        }
    }

    #[test]
    fn classes_begin_where_iana_says() {
        for (port, class) in [
            (0, "system"),
            (1023, "system"),
            (1024, "registered"),
            (49151, "registered"),
            (49152, "dynamic"),
            (65535, "dynamic"),
        ] {
            assert_eq!(PortClass::of(port).name(), class, "{port}");
        }
    }

    #[test]
    fn a_range_has_both_its_ends() {
        assert_eq!(PortRange::new(2, 1), None);
        let all = PortRange::new(0, 65535).unwrap();
        assert_eq!(all.len(), 65536);
        let mut set = PortSet::new();
        set.insert_range(PortRange::new(60, 70).unwrap());
        assert_eq!(set.count_in(all), 11);
        assert!(set.contains(60) && set.contains(70) && !set.contains(71));
    }

    #[test]
    fn sets_are_joined_taken_apart_and_written() {
        let mut set = PortSet::new();
        assert!(set.is_empty() && set.ranges().is_empty());
        for port in [0, 1, 2, 9, 65534, 65535] {
            set.insert(port);
        }
        assert_eq!(set.ranges(), "0-2,9,65534-65535");
        assert_eq!(set.iter().collect::<Vec<_>>().len(), 6);
        let mut other = PortSet::new();
        other.insert(9);
        other.insert(10);
        set.union(&other);
        assert_eq!(set.len(), 7);
        set.subtract(&other);
        set.remove(1);
        assert_eq!(set.ranges(), "0,2,65534-65535");
    }

    #[test]
    fn a_set_that_never_had_a_port_is_as_good_as_one_that_lost_all() {
        let none = PortSet::new();
        let mut emptied = PortSet::new();
        emptied.insert(80);
        let one = emptied.clone();
        emptied.remove(80);
        assert_eq!(none, emptied);
        assert_ne!(none, one);
        assert!(!none.contains(80) && none.iter().next().is_none());
        assert_eq!(none.len(), emptied.len());
        for no_ports in [&none, &emptied] {
            let mut set = no_ports.clone();
            set.union(&one);
            assert_eq!(set, one);
            set.subtract(no_ports);
            assert_eq!(set, one);
            set.intersect(no_ports);
            assert!(set.is_empty());
            let mut set = no_ports.clone();
            set.intersect(&one);
            set.subtract(&one);
            set.remove(80);
            set.clear();
            assert_eq!(set, none);
        }
    }
}
