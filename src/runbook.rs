//! Runbooks, causes, questions and likelihoods: knowledge as data, read from YAML.
