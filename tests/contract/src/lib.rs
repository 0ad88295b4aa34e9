//! Nothing but tests: see `tests/`. Each compares two places that state the same fact, or renders a derived file from its owner.
