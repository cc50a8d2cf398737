//! The addresses of a recording's machine.

use std::io;

use super::{Recording, counted};
use crate::collect::{V6_ADDRESSES, copy_local_routes, copy_v6_addresses};
use crate::kernel::LOCAL_ROUTES;

impl Recording<'_> {
    /// The addresses, as bind knows them: routes of the table `local`, and IPv6 addresses.
    pub(super) fn addresses(&mut self) -> io::Result<()> {
        match copy_local_routes(self.host, self.redactor.as_mut()) {
            Ok((messages, bad)) => {
                self.recorder.write(LOCAL_ROUTES, &messages)?;
                if bad > 0 {
                    let what = counted(
                        bad,
                        "message that is no route",
                        "messages that are no routes",
                    );
                    self.left_out.push(format!("{LOCAL_ROUTES}: {what}"));
                }
            }
            Err(error) => self.left_out.push(format!("{LOCAL_ROUTES}: {error}")),
        }
        let Some(redactor) = &mut self.redactor else {
            return self.copy(V6_ADDRESSES);
        };
        match copy_v6_addresses(self.host, redactor) {
            Ok((lines, lost)) => {
                self.recorder.write(V6_ADDRESSES, &lines)?;
                if lost > 0 {
                    let what = counted(
                        lost,
                        "line that is no address",
                        "lines that are no addresses",
                    );
                    self.left_out.push(format!("{V6_ADDRESSES}: {what}"));
                }
            }
            Err(error) => self.left_out.push(format!("{V6_ADDRESSES}: {error}")),
        }
        Ok(())
    }
}
