//! Parts that are not seen from the command line.
