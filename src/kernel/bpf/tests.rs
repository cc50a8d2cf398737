//! What is tested wherever a program is refused.

use super::{Unavailable, permitted};
use crate::kernel::privilege::effective_capabilities;
use std::io::Write;

/// Who lacks a right is told which, before anything is tried; whoever has all is told the step.
#[track_caller]
pub(super) fn check_refusal(refusal: &Unavailable, permitted: Result<(), Unavailable>) {
    // Past the capture of output.
    let _ = writeln!(std::io::stderr(), "BPF: not here: {refusal}");
    match permitted {
        Err(expected) => assert_eq!(refusal.to_string(), expected.to_string()),
        Ok(()) => assert!(
            matches!(refusal, Unavailable::Refused { .. } | Unavailable::Type(_)),
            "{refusal:?}"
        ),
    }
}

#[test]
fn nobody_without_capabilities_is_permitted() {
    if effective_capabilities() == 0 {
        assert!(matches!(permitted(), Err(Unavailable::Permission)));
    }
}
