//! Names of network namespaces.

use std::os::unix::fs::MetadataExt;

use super::host::Host;

/// Where `ip netns` keeps the named ones.
const NAMED: &str = "/run/netns";

impl Host {
    /// Name of the network namespace: `host` for that of the first process, else what `ip netns`
    /// calls it; `None` when it has none or that cannot be told.
    pub fn netns_name(&self) -> Option<String> {
        if self.is_recorded() {
            return None;
        }
        let own = std::fs::metadata("/proc/self/ns/net").ok()?;
        let is_own = |path: &std::path::Path| {
            std::fs::metadata(path)
                .is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino()))
        };
        // Others' namespaces can be compared without leave by what they show of themselves.
        let files = ["/proc/self/net/tcp", "/proc/1/net/tcp"];
        if let [Ok(own), Ok(first)] = files.map(std::fs::metadata)
            && (own.dev(), own.ino()) == (first.dev(), first.ino())
        {
            return Some("host".to_owned());
        }
        let named = std::fs::read_dir(NAMED).ok()?.flatten();
        let own = named.into_iter().find(|entry| is_own(&entry.path()))?;
        own.file_name().into_string().ok()
    }
}
