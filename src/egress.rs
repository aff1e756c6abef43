//! May this address be probed? A pure yes or no with its reason.
