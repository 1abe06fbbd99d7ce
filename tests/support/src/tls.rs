//! Certificates for servers on this machine, made by the `openssl` program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::failure::Tried;
use crate::process::output;

const EXTENSIONS: &str = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n";

/// An authority, a request, and the request signed by the authority; words split at blanks.
const STEPS: [&str; 3] = [
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
     -subj /CN=erpbridge-test-authority -keyout ca.key -out ca.pem",
    "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
     -subj /CN=localhost -keyout server.key -out server.csr",
    "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
     -extfile server.ext -out server.pem",
];

/// An authority made for the occasion, and a server's certificate signed by it that is valid for
/// `localhost` and `127.0.0.1`.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, for clients.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in `directory`.
    pub fn make(directory: &Path) -> Result<Self> {
        let at = |name: &str| directory.join(name);
        std::fs::write(at("server.ext"), EXTENSIONS).tried("cannot write \"server.ext\"")?;
        for step in STEPS {
            let mut openssl = Command::new("openssl");
            openssl.current_dir(directory).args(step.split_whitespace());
            output(openssl)?;
        }
        Ok(Self { ca: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") })
    }
}
