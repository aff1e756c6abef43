//! What a tracker must do, and the trackers there are.
