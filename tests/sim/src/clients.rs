//! The official Python clients that judge the simulators: a private virtual environment with pinned versions.
