//! Configuration file and environment to checked settings. Nobody else reads the environment.
