//! What an administrator runs for the bridge of the made-up ERP is all it takes.

use std::path::Path;
use std::process::Command;

use erpbridge_demo::database::Source;
use erpbridge_demo::erp::Erp;
use erpbridge_test_support::{Directory, Nats, NatsVersion};

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grants_of_any_server_check_finds_no_error_and_the_mapping_fits_its_tables() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let directory = Directory::new("grants").unwrap();
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/legacy-demo");
    for source in Source::ALL {
        let erp = Erp::start(source).await.unwrap();
        let config = format!(
            "sources:\n  - name: legacy\n    {}\n    mappings: [\"{}\"]\nnats: {{ servers: [\"{}\"] \
             }}\nstate: \"{}\"\n",
            erp.connection(),
            mapping.display(),
            nats.url(),
            directory.join("state").display(),
        );
        let config = directory.write("erpbridge.yaml", &config).unwrap();
        for arguments in [&["check"][..], &["map", "check", "--source", "legacy"]] {
            let mut erpbridge = Command::new(env!("CARGO_BIN_EXE_erpbridge"));
            let output = erpbridge.args(arguments).arg("--config").arg(&config).output().unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(0), "{source}: {arguments:?}: {text}");
            assert!(text.contains("0 errors"), "{source}: {arguments:?}: {text}");
        }
    }
}
