//! What a socket tells of itself beside its ends.

use std::str::from_utf8;

use super::super::tree::Test;
use super::super::{Expression, FilterError, Names};
use super::number::{c_number, decimal};
use super::{Parser, joined};
use crate::model::NetnsId;

impl Parser<'_> {
    /// What follows `dev`.
    pub(super) fn interface_test(&mut self) -> Result<Expression, FilterError> {
        let expected = "the name or index of an interface";
        self.equality("interfaces", expected, |parser, value| {
            interfaces(parser.names, value)
        })
    }

    /// What follows `fwmark`.
    pub(super) fn mark_test(&mut self) -> Result<Expression, FilterError> {
        let expected = "a mark, with or without a mask, such as 0x1/0xff";
        self.equality("marks", expected, |_, value| {
            let text = from_utf8(value).unwrap_or_default();
            let (mark, mask) = match text.split_once('/') {
                Some((mark, mask)) => (mark, c_number(mask)),
                None => (text, Some(u32::MAX)),
            };
            c_number(mark)
                .zip(mask)
                .map(|(mark, mask)| Test::Mark { mark, mask })
                .ok_or_else(|| "no number of 32 bits".to_owned())
        })
    }

    /// What follows `cgroup`.
    pub(super) fn cgroup_test(&mut self) -> Result<Expression, FilterError> {
        let expected = "the path of a cgroup, such as /system.slice/ssh.service";
        self.equality("cgroups", expected, |parser, value| {
            // What is printed of a cgroup whose path is not known.
            let id = from_utf8(value).ok().and_then(|text| {
                let digits = text.strip_prefix("unreachable:")?;
                c_number(&format!("0x{digits}"))
            });
            id.map_or_else(|| parser.names.cgroup(value), Ok)
                .map(Test::Cgroup)
        })
    }

    /// What follows `netns`.
    pub(super) fn netns_test(&mut self) -> Result<Expression, FilterError> {
        let expected = "self, host, or the name, a process, the file or the inode of a network \
                        namespace";
        self.equality("namespaces", expected, |parser, value| {
            parser.names.netns(value).map(Test::Netns)
        })
    }

    /// What follows `user`.
    pub(super) fn user_test(&mut self) -> Result<Expression, FilterError> {
        self.equality("users", "the name of a user", |parser, value| {
            let name = from_utf8(value).map_err(|_| "no such user".to_owned())?;
            // A name of digits is a name; where nobody has it, it is a number.
            let uid = parser.names.user(name);
            uid.or_else(|reason| decimal(name).ok_or(reason))
                .map(Test::uid_is)
        })
    }

    /// What follows `uid`.
    pub(super) fn uid_test(&mut self) -> Result<Expression, FilterError> {
        self.ordering("the number of a user", |comparison, uid| Test::Uid {
            comparison,
            uid,
        })
    }

    /// What follows `inode`.
    pub(super) fn inode_test(&mut self) -> Result<Expression, FilterError> {
        self.ordering("the inode of a socket", |comparison, inode| Test::Inode {
            comparison,
            inode,
        })
    }
}

/// Bound to an interface of this name, in whichever network namespace, or of this index.
pub(super) fn interfaces(names: &dyn Names, name: &[u8]) -> Result<Expression, String> {
    let index = from_utf8(name).ok().and_then(c_number);
    let found = names.interfaces(name).or_else(|reason| match index {
        Some(index) => Ok(vec![(None, index)]),
        None => Err(reason),
    });
    let test = |(netns, index): (Option<u64>, u32)| {
        let at = Expression::Test(Test::Interface(index));
        match netns {
            Some(inode) => {
                let there = Test::Netns(NetnsId::Inode(inode));
                Expression::And(vec![there.into(), at])
            }
            None => at,
        }
    };
    let tests = found?.into_iter().map(test);
    Ok(joined(tests.collect(), Expression::Or))
}
