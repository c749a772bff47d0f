//! Rule 2: chains of decisions.
//!
//! A record is in force if, at its place in the log, it names the head of its chain ("none" where
//! there is none); it then is the head. Every other record is ignored by every reader. Nothing
//! but the log's order decides, so all readers at one position agree (INV-CHAIN).
