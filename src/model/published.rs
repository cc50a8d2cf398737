//! Ports that are held for a container.

use super::Endpoint;

/// A process that holds a port for a container, whose own socket is in another network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which program does.
    pub by: Publisher,
    /// Where it leads, where the command line says so.
    pub container: Option<Endpoint>,
}

/// Programs that publish ports of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// `docker-proxy`, also that of rootless docker.
    DockerProxy,
    /// `rootlesskit`, of rootless docker and others.
    RootlessKit,
    /// `rootlessport`, of podman.
    RootlessPort,
    /// `slirp4netns`.
    Slirp4netns,
    /// `pasta`, of podman.
    Pasta,
}

impl Publisher {
    /// The program.
    pub const fn name(self) -> &'static str {
        match self {
            Publisher::DockerProxy => "docker-proxy",
            Publisher::RootlessKit => "rootlesskit",
            Publisher::RootlessPort => "rootlessport",
            Publisher::Slirp4netns => "slirp4netns",
            Publisher::Pasta => "pasta",
        }
    }
}
