//! The fold over accounts, API keys and notification routes of the control log.
