//! A scripted server that speaks TDS, with a small CDC database behind it.
