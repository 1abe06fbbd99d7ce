use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "8a94f357-aab4-11df-86ab-c80aa9429444";

fn origin() -> Origin {
    Origin { uuid: A.parse().unwrap(), tag: "".into() }
}

proptest! {
    #[test]
    fn a_set_of_intervals_is_the_set_of_its_numbers(
        numbers in prop::collection::vec(1_u64..40, 0..40),
        gone in prop::collection::vec(1_u64..40, 0..10),
    ) {
        let (mut set, mut model) = (IntervalSet::default(), BTreeSet::new());
        for number in &numbers {
            set.insert(&origin(), *number);
            model.insert(*number);
        }
        for number in &gone {
            set.remove(&origin(), *number);
            model.remove(number);
        }
        for number in 0..45 {
            prop_assert_eq!(set.contains(&origin(), number), model.contains(&number));
        }
        // Intervals are apart from each other, so one set has one text.
        let rebuilt = model.iter().fold(IntervalSet::default(), |mut set, number| {
            set.insert(&origin(), *number);
            set
        });
        prop_assert_eq!(&rebuilt, &set);
        if !model.is_empty() {
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[0-9a-f:,é-]{0,60}") {
        if let Ok(set) = text.parse::<GtidSet>() {
            prop_assert!(!set.is_empty());
        }
        if let Ok(gtid) = text.parse::<Gtid>() {
            prop_assert_eq!(gtid.to_string().parse(), Ok(gtid));
        }
    }
}

#[test]
fn sets_read_as_the_servers_print_them() {
    let text = format!("{A}:1-5:11,\n{B}:1-27:erp:1-3:7");
    let set: GtidSet = text.parse().unwrap();
    assert_eq!(set.to_string(), format!("{A}:1-5:11,{B}:1-27:erp:1-3:7"));
    let holds = |gtid: &str| set.contains(&gtid.parse().unwrap());
    assert!(holds(&format!("{A}:5")) && !holds(&format!("{A}:6")));
    assert!(holds(&format!("{B}:erp:2")) && !holds(&format!("{B}:erp:27")));
    let set: GtidSet = "0-1011-5,7-2-9".parse().unwrap();
    assert_eq!(set.to_string(), "0-1011-5,7-2-9");
}

#[test]
fn a_place_of_domains_holds_what_was_before_it() {
    let mut set: GtidSet = "0-1-5".parse().unwrap();
    let gtid = |text: &str| text.parse::<Gtid>().unwrap();
    assert!(set.contains(&gtid("0-9-5")) && !set.contains(&gtid("0-1-6")));
    assert!(!set.contains(&gtid("1-1-1")));
    set.insert(&gtid("0-2-6"));
    assert_eq!(set.to_string(), "0-2-6");
    assert!(set.covers(&"0-1-6".parse().unwrap()));
    assert!(!set.covers(&"0-1-6,1-1-1".parse().unwrap()));
    set.remove(&gtid("0-2-1"));
    assert!(set.is_empty());
}

#[test]
fn what_names_no_transaction_is_refused() {
    for text in [
        "",
        "0-1",
        "0-1-2-3",
        "+0-1-2",
        "3e11fa47:1",
        "x:1",
        &format!("{A}:0"),
        &format!("{A}:5-4"),
    ] {
        assert_eq!(text.parse::<GtidSet>(), Err(NotGtids), "{text}");
    }
}
