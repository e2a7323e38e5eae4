// Package metrics shows Prometheus what the nodes and links of one process count.
//
// A [Collector] asks for a snapshot whenever it is asked for metrics; between scrapes it costs nothing, and nothing is registered unless the
// application registers it. docs/observe.md lists the metrics with their labels and units.
//
// # Labels
//
// The labels are bounded. A node is told by its key and a peer by the name in its certificate, or by its address where it shows none of a
// run; of each, the first [Limit.Names] that a collector meets have their own series, and all others share the series of the
// name "other". Reasons are those of packages actor and remote, of which there are a few dozen.
//
// # Limits
//
// A series goes with its node, and with the record of a peer that was idle for long; should either come back, it begins at zero, as after the start of a
// process. Counters of one scrape are not of one moment.
package metrics
