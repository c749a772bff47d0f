//! The fold over accounts: what is in force and in effect, and what is refused.
