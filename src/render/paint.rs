//! Colours, or none.

use anstyle::{AnsiColor, Style};

use crate::analyze::Severity;

/// Whether to colour; decided once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With colours.
    Colored,
    /// Without a single escape byte.
    Plain,
}

impl Paint {
    /// Appends a heading.
    pub(super) fn heading(self, out: &mut Vec<u8>, text: &str) {
        self.styled(out, Style::new().bold(), text);
    }

    /// Appends what is there for orientation only.
    pub(super) fn faint(self, out: &mut Vec<u8>, text: &str) {
        self.styled(out, Style::new().dimmed(), text);
    }

    /// Appends text in the colour of a severity.
    pub(super) fn severe(self, out: &mut Vec<u8>, severity: Severity, text: &str) {
        let color = match severity {
            Severity::Ok => AnsiColor::Green,
            Severity::Notice => AnsiColor::Cyan,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Critical => AnsiColor::Red,
        };
        self.styled(out, color.on_default(), text);
    }

    fn styled(self, out: &mut Vec<u8>, style: Style, text: &str) {
        match self {
            Paint::Plain => out.extend_from_slice(text.as_bytes()),
            Paint::Colored => {
                let styled = format!("{style}{text}{style:#}");
                out.extend_from_slice(styled.as_bytes());
            }
        }
    }
}
