//! The numbers that a network namespace has for others: rtnetlink's `RTM_GETNSID`, which tells
//! everybody which one a process is in as far as that has a number.
//!
//! Layout: `struct rtgenmsg` of linux/rtnetlink.h (family, padding), then attributes of
//! linux/net_namespace.h.

use netlink_packet_core::NLM_F_REQUEST;

use super::netlink::{HEADER_LEN, Messages, attributes, framed, push_attribute};

/// Type of the answer.
const RTM_NEWNSID: u16 = 88;
/// Type of the question.
const RTM_GETNSID: u16 = 90;
/// Length of `struct rtgenmsg`, with its padding.
const GENERAL_LEN: usize = 4;
/// Attributes: `NETNSA_NSID`, `NETNSA_PID`, `NETNSA_FD`.
const NUMBER: u16 = 1;
const PROCESS: u16 = 2;
const DESCRIPTOR: u16 = 3;

/// Which namespace is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// That in which a process lives.
    Process(u32),
    /// That of a file which this process has open.
    Descriptor(i32),
}

/// Asks for the number of a namespace.
pub fn request(subject: Subject, sequence: u32) -> Vec<u8> {
    let mut body = vec![0; GENERAL_LEN];
    match subject {
        Subject::Process(pid) => push_attribute(&mut body, PROCESS, &pid.to_ne_bytes()),
        Subject::Descriptor(fd) => push_attribute(&mut body, DESCRIPTOR, &fd.to_ne_bytes()),
    }
    framed(RTM_GETNSID, NLM_F_REQUEST, sequence, &body)
}

/// The answers in a chunk: the sequence numbers of questions, and the numbers of the namespaces
/// that have one.
pub fn answers(chunk: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let messages = Messages::new(chunk).flatten();
    messages.filter_map(|framed| answer(framed.bytes_of(chunk)))
}

fn answer(message: &[u8]) -> Option<(u32, u32)> {
    let header = message.first_chunk::<HEADER_LEN>()?;
    let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    if u16::from_ne_bytes([header[4], header[5]]) != RTM_NEWNSID {
        return None;
    }
    let mut told = attributes(message.get(HEADER_LEN + GENERAL_LEN..)?);
    let (_, value) = told.find(|(kind, _)| *kind == NUMBER)?;
    // One below zero stands for none.
    let number = i32::from_ne_bytes(*value.first_chunk::<4>()?);
    Some((u32::from_ne_bytes(word(8)), u32::try_from(number).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(sequence: u32, number: i32) -> Vec<u8> {
        let mut body = vec![0; GENERAL_LEN];
        push_attribute(&mut body, NUMBER, &number.to_ne_bytes());
        framed(RTM_NEWNSID, 0, sequence, &body)
    }

    #[test]
    fn a_namespace_without_a_number_has_none() {
        let chunk = [answer_of(7, 0), answer_of(8, -1), answer_of(9, 5)].concat();
        assert_eq!(answers(&chunk).collect::<Vec<_>>(), [(7, 0), (9, 5)]);
        let question = request(Subject::Process(812), 1);
        assert_eq!(question.len(), HEADER_LEN + GENERAL_LEN + 8);
        assert_eq!(answers(&question).count(), 0);
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let whole = answer_of(7, 3);
        for cut in 0..whole.len() {
            assert_eq!(answers(&whole[..cut]).count(), 0);
            let mut shorter = whole[..cut].to_vec();
            if let Some(length) = shorter.first_chunk_mut::<4>() {
                *length = (cut as u32).to_ne_bytes();
            }
            assert_eq!(answers(&shorter).count(), 0);
        }
    }
}
