//! Detectors, rule files and policies: findings, verdicts, redaction. Pure.
