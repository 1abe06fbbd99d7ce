//! The currencies of ISO 4217, and how many places after the point their amounts have.
//!
//! The active ones are those of the standard's list of 1 January 2026. The orders of ten years ago
//! lie in an ERP's tables too, so currencies withdrawn since 1999 are known as well; their places
//! are not.

use super::codes::CodeSet;

/// Active, without decimal places.
const PLACES_0: &str = "
    BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
";

/// Active, with two.
const PLACES_2: &str = "
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
    CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW
    ZWG
";

/// Active, with three.
const PLACES_3: &str = "
    BHD IQD JOD KWD LYD OMR TND
";

/// Active, with four: units of account.
const PLACES_4: &str = "
    CLF UYW
";

/// Active, and not counted in minor units: metals, funds, test codes.
const NO_PLACES: &str = "
    XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX
";

/// Withdrawn since 1999.
const WITHDRAWN: &str = "
    AFA ANG AOR ATS AZM BEF BGL BGN BYB BYR CSD CUC CYP DEM EEK ESP FIM FRF GHC GRD HRK IEP ITL
    LTL LUF LVL MGF MRO MTL MZM NLG PTE ROL RUR SDD SIT SKK SLL SRG STD TMM TPE TRL VEB VEF XFU
    YUM ZMK ZWD ZWL ZWN ZWR
";

static BY_PLACES: [(u8, CodeSet); 4] = [
    (2, CodeSet::of(PLACES_2)),
    (0, CodeSet::of(PLACES_0)),
    (3, CodeSet::of(PLACES_3)),
    (4, CodeSet::of(PLACES_4)),
];

static UNCOUNTED: [CodeSet; 2] = [CodeSet::of(NO_PLACES), CodeSet::of(WITHDRAWN)];

/// Whether it is the code of a currency.
pub fn is_currency(code: &str) -> bool {
    minor_units(code).is_some() || UNCOUNTED.iter().any(|set| set.holds(code))
}

/// How many places after the point an amount in this currency has, if the standard says so.
pub fn minor_units(currency: &str) -> Option<u8> {
    BY_PLACES.iter().find(|(_, set)| set.holds(currency)).map(|(places, _)| *places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_have_the_places_the_standard_gives_them() {
        for (code, places) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HUF", 2)] {
            assert_eq!(minor_units(code), Some(places), "{code}");
            assert!(is_currency(code));
        }
        for code in ["XAU", "XXX", "DEM", "HRK"] {
            assert!(is_currency(code) && minor_units(code).is_none(), "{code}");
        }
    }

    #[test]
    fn what_is_no_currency_is_not_known() {
        for text in ["", "EU", "EURO", "eur", "ABC", "C62", "€"] {
            assert!(!is_currency(text), "{text}");
        }
    }

    #[test]
    fn no_currency_is_listed_twice() {
        let lists = [PLACES_0, PLACES_2, PLACES_3, PLACES_4, NO_PLACES, WITHDRAWN];
        let mut codes: Vec<&str> = lists.iter().flat_map(|list| list.split_whitespace()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), all), (230, 230));
    }
}
