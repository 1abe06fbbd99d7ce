//! Private servers, fault tools and the oracle.
