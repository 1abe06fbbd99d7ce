//! Configurations and mappings that are shown to people can be read by the product.

use erpbridge::config;
use erpbridge::mapping::Mapping;

use crate::{read, root};

/// The fenced YAML blocks of a page.
fn yaml_blocks(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    // A block inside a list is indented with it.
    let plain = |line: &str| line.strip_prefix("   ").unwrap_or(line).to_owned();
    blocks.map(|block| block.lines().map(plain).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn the_mapping_and_the_configuration_of_the_readme_are_read() {
    let blocks = yaml_blocks(&read("README.md"));
    let mapping = blocks.iter().find(|block| block.contains("mapping: shop")).unwrap();
    let compiled = Mapping::from_texts(&[("shop/mapping.yaml", mapping)]);
    assert!(compiled.is_ok(), "{:#?}", compiled.err());

    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("shop/mapping.yaml", mapping.as_str()), ("secrets/postgres", "pw")] {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let text = blocks.iter().find(|block| block.contains("sources:")).unwrap();
    let loaded = config::parse(&directory.path().join("erpbridge.yaml"), text);
    assert!(loaded.config.is_some(), "{:#?}", loaded.findings);
}

#[test]
fn the_example_configuration_is_read_but_for_the_mapping_of_the_site() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["erp1-password", "nats.creds"] {
        std::fs::write(directory.path().join(name), "secret").unwrap();
    }
    let credentials = directory.path().display().to_string();
    let text = read("deploy/erpbridge.example.yaml")
        .replace("${CREDENTIALS_DIRECTORY}", &credentials)
        .replace("mappings/erp1.yaml", &root().join("mappings/legacy-demo").display().to_string());
    let loaded = config::parse(&directory.path().join("erpbridge.yaml"), &text);
    assert!(loaded.config.is_some(), "{:#?}", loaded.findings);
}

#[test]
fn the_configuration_of_the_containers_is_read() {
    let text = read("deploy/sqlserver/erpbridge.yaml");
    // In the container the mappings lie beside it.
    let mappings = root().join("mappings").display().to_string();
    let text = text.replace("[mappings/", &format!("[{mappings}/"));
    let loaded = config::parse(&root().join("deploy/sqlserver/erpbridge.yaml"), &text);
    assert!(loaded.config.is_some(), "{:#?}", loaded.findings);
}
