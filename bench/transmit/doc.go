// Package transmit measures the node between learners and actors: inserts and
// samples of items of two sizes by several writers and readers, in one process
// and across two, with TLS and without, beside bare connections; what an item costs in memory; checkpoints beside the bare disk.
package transmit
