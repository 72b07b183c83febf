"""Zero-shot evaluation: suites of prompts on labelled sets, their metrics, rows and reports."""
